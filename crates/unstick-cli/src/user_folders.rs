//! The directories of this user in which the program keeps its files.

use std::path::PathBuf;

/// Where the config file is: `$XDG_CONFIG_HOME/unstick`, else `~/.config/unstick`; on Windows `%APPDATA%\unstick`.
pub fn config() -> Option<PathBuf> {
    folder("XDG_CONFIG_HOME", ".config", "APPDATA")
}

/// Where what one run keeps for the next is: `$XDG_STATE_HOME/unstick`, else `~/.local/state/unstick`; on Windows
/// `%LOCALAPPDATA%\unstick`.
pub fn state() -> Option<PathBuf> {
    folder("XDG_STATE_HOME", ".local/state", "LOCALAPPDATA")
}

/// The folder that a variable names, else the usual one. The XDG standard has relative paths ignored.
fn folder(variable: &str, in_home: &str, of_windows: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = || match cfg!(windows) {
        true => set(of_windows),
        false => set("HOME").map(|home| home.join(in_home)),
    };
    Some(set(variable).or_else(usual)?.join("unstick"))
}
