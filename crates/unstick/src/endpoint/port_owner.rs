//! Finds the program that holds a port, from the kernel's tables where they are available (Linux).

use std::fs;
use std::path::Path;

/// Returns the process that listens on a TCP port, as `redis-server (process 4711)`.
pub(super) fn of_tcp_port(port: u16) -> Option<String> {
    // State 0A is LISTEN.
    holder(&["/proc/net/tcp", "/proc/net/tcp6"], port, Some("0A"))
}

/// Returns the process that is bound to a UDP port.
pub(super) fn of_udp_port(port: u16) -> Option<String> {
    holder(&["/proc/net/udp", "/proc/net/udp6"], port, None)
}

fn holder(tables: &[&str], port: u16, state: Option<&str>) -> Option<String> {
    let inode = tables.iter().find_map(|table| inode(&fs::read_to_string(table).ok()?, port, state))?;
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        // `/proc` also holds `self` and much else.
        let Some(number) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if owns(&process.path(), &wanted) {
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            return Some(format!("{} (process {number})", name.trim()));
        }
    }
    None
}

/// Returns the socket's inode from a table of `/proc/net`: columns 1 (local address), 3 (state) and 9 (inode).
fn inode(table: &str, port: u16, state: Option<&str>) -> Option<String> {
    let end = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace();
        let local = columns.nth(1)?;
        let found = columns.nth(1)?;
        let inode = columns.nth(5)?;
        (local.ends_with(&end) && state.is_none_or(|state| state == found) && inode != "0").then(|| inode.to_owned())
    })
}

fn owns(process: &Path, wanted: &str) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == wanted))
}
