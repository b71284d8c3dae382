//! Prints `-V`: the version, the commit that the program was built from, and the features that it was built with.

use std::sync::LazyLock;

/// Optional features of the library that this build has. A test compares the list with the manifests.
#[cfg(unix)]
pub const FEATURES: &[&str] = &["tls", "ws", "exec", "proxy", "replay", "self-signed", "serial", "transfer"];

/// Without those that only Unix has.
#[cfg(not(unix))]
pub const FEATURES: &[&str] = &["tls", "ws", "exec", "proxy", "replay", "self-signed"];

/// Version, commit and features, as printed after the program's name.
pub static TEXT: LazyLock<String> = LazyLock::new(|| {
    let commit = match option_env!("UNSTICK_COMMIT_BUILT") {
        Some(commit) => format!("commit {commit}"),
        None if cfg!(debug_assertions) => "debug build".to_owned(),
        None => "commit unknown".to_owned(),
    };
    format!("{} ({commit})\nfeatures: {}", env!("CARGO_PKG_VERSION"), FEATURES.join(" "))
});
