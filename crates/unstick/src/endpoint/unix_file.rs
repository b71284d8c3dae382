//! The files of Unix sockets: their permissions, and files that an ended listener has left behind.
//!
//! Not here: the data that goes through the sockets (`unix`, `unix_dgram`, `unix_seqpacket`).

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::options::Options;
use super::resolve::nothing_there;
use super::unix_name::system_name;
use crate::address::{Address, SocketName};
use crate::advice::Advice;
use crate::error::{Error, Result};
use crate::limits;

/// How long to wait before connecting again to a listener whose backlog is full: the system does not signal when it has
/// room.
const FULL: Duration = Duration::from_millis(5);

/// The file of a listening socket. It is removed with the listener.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode number: another file that has taken its place belongs to somebody else, and stays.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // If this fails, the next listener finds the file stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates a non-blocking socket.
fn open(kind: Type) -> Result<Socket> {
    let socket = Socket::new(Domain::UNIX, kind, None).map_err(|e| Error::io("the socket", e))?;
    socket.set_nonblocking(true).map_err(|e| Error::io("the socket", e))?;
    Ok(socket)
}

/// Binds a socket to a name. First removes a file that an ended listener has left behind. A socket that was handed over
/// to this process is used as it is.
pub(super) fn bind(
    kind: Type,
    at: &Address,
    name: &SocketName,
    options: &Options,
) -> Result<(Socket, Option<SocketFile>)> {
    if let Some(socket) = options.inherited_name(name, kind)? {
        return Ok((socket, None));
    }
    let socket = open(kind)?;
    let wanted = system_name(name)?;
    let failed = |error: io::Error| cannot_bind(at, name, error);
    let SocketName::Path(path) = name else {
        if options.mode.is_some() {
            let error = Error::usage(format!("{at} has no file to set permissions of"));
            return Err(error.with_advice(Advice::LeaveOutMode));
        }
        socket.bind(&wanted).map_err(failed)?;
        return Ok((socket, None));
    };
    // Permissions have twelve bits; some systems use a type of 16 bits for them.
    let mode = options.mode.map(|mode| Mode::from_raw_mode(mode as rustix::fs::RawMode));
    #[cfg(target_os = "linux")]
    if let Some(mode) = mode {
        // Set before there is a file, so that it never has more permissions than these. Those that umask removes are
        // added below.
        rustix::fs::fchmod(&socket, mode).map_err(|e| failed(e.into()))?;
    }
    match socket.bind(&wanted) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && remove_stale(path, &wanted, options)? => {
            socket.bind(&wanted).map_err(failed)?;
        }
        other => other.map_err(failed)?,
    }
    if let Some(mode) = mode {
        give_mode(path, mode).map_err(failed)?;
    }
    let found = fs::symlink_metadata(path).map_err(failed)?;
    Ok((socket, Some(SocketFile { path: path.clone(), identity: (found.dev(), found.ino()) })))
}

/// Restores the permissions that umask has removed from the socket file that was just bound.
///
/// Anybody who may write to the directory can put another file in its place. So the file is opened first, without
/// following a link, then checked, and then changed through that descriptor.
#[cfg(target_os = "linux")]
fn give_mode(path: &Path, mode: Mode) -> io::Result<()> {
    use rustix::fs::{CWD, FileType, OFlags};
    use std::os::fd::AsRawFd;
    let file = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let found = rustix::fs::fstat(&file)?;
    let ours = found.st_uid == rustix::process::geteuid().as_raw() && found.st_nlink == 1;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket || !ours {
        return Err(io::Error::other("another file has taken its place"));
    }
    if Mode::from_raw_mode(found.st_mode) == mode {
        return Ok(());
    }
    // This path leads to the file that was opened, even if the name now belongs to another file: chmod does not take
    // such a descriptor.
    Ok(rustix::fs::chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), mode)?)
}

/// Sets the permissions of the socket file that was just bound, without following a link.
#[cfg(not(target_os = "linux"))]
fn give_mode(path: &Path, mode: Mode) -> io::Result<()> {
    Ok(rustix::fs::chmodat(rustix::fs::CWD, path, mode, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Removes the socket file of an ended listener; returns false if the path is in use.
///
/// The check connects a datagram socket: the listener notices nothing, and if it is of another kind, the system reports
/// that without disturbing it.
fn remove_stale(path: &Path, wanted: &SockAddr, options: &Options) -> Result<bool> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(false) };
    if !found.file_type().is_socket() {
        return Ok(false);
    }
    let asked = open(Type::DGRAM)?.connect(wanted);
    if !asked.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        return Ok(false);
    }
    let now = fs::symlink_metadata(path);
    if now.is_ok_and(|now| (now.dev(), now.ino()) == (found.dev(), found.ino())) {
        options.tell(|| format!("removed {}, left by a listener that has ended", path.display()));
        // If this fails, binding reports why.
        let _ = fs::remove_file(path);
    }
    Ok(true)
}

fn cannot_bind(at: &Address, name: &SocketName, error: io::Error) -> Error {
    let kind = error.kind();
    let what = Error::unreachable(format!("cannot listen on {at}"), error);
    match (kind, name) {
        (io::ErrorKind::AddrInUse, SocketName::Path(path)) => match kind_of_file(path) {
            Some(other) => what.with_hint(format!("{} is {other}: it is left as it is", path.display())),
            None => what.with_hint("another program listens there"),
        },
        (io::ErrorKind::AddrInUse, SocketName::Abstract(_)) => what.with_hint("another program listens there"),
        (io::ErrorKind::NotFound, SocketName::Path(path)) => {
            let folder = path.parent().unwrap_or(Path::new("")).display();
            what.with_hint(format!("there is no directory {folder}"))
        }
        _ => what,
    }
}

/// The kind of file at a path, if it is not a socket.
fn kind_of_file(path: &Path) -> Option<&'static str> {
    let kind = fs::symlink_metadata(path).ok()?.file_type();
    match kind {
        kind if kind.is_socket() => None,
        kind if kind.is_dir() => Some("a directory"),
        kind if kind.is_file() => Some("a regular file"),
        _ => Some("no socket"),
    }
}

/// Connects a socket to a name, and tries again while the listener's backlog is full.
pub(super) async fn connect(kind: Type, at: &Address, name: &SocketName, options: &Options) -> Result<Socket> {
    let wanted = system_name(name)?;
    let begun = Instant::now();
    loop {
        let socket = open(kind)?;
        if kind == Type::DGRAM {
            name_itself(&socket)?;
        }
        match socket.connect(&wanted) {
            Ok(()) => {
                options.tell(|| format!("connected to {at} ({:.1?})", begun.elapsed()));
                return Ok(socket);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if begun.elapsed() + FULL > options.connect_timeout {
                    let error = Error::timed_out(format!("connecting to {at}"), options.connect_timeout);
                    return Err(error.with_hint("its listener does not accept connections"));
                }
                tokio::time::sleep(FULL).await;
            }
            Err(error) => return Err(cannot_connect(at, name, error)),
        }
    }
}

/// Gives a datagram socket a name of its own, without a file if the system can do that: only a socket with a name
/// gets answers.
fn name_itself(socket: &Socket) -> Result<()> {
    if cfg!(target_os = "linux") {
        // A socket that is bound to the empty name gets a free one from the system.
        let unnamed = SockAddr::unix("").map_err(|e| Error::io("the socket", e))?;
        socket.bind(&unnamed).map_err(|e| Error::io("the socket", e))?;
    }
    Ok(())
}

fn cannot_connect(at: &Address, name: &SocketName, error: io::Error) -> Error {
    let kind = error.kind();
    let other_kind = error.raw_os_error() == Some(Errno::PROTOTYPE.raw_os_error());
    let what = Error::unreachable(format!("cannot connect to {at}"), error);
    let file = match name {
        SocketName::Path(path) => kind_of_file(path).map(|kind| format!("{} is {kind}", path.display())),
        SocketName::Abstract(_) => None,
    };
    match kind {
        _ if other_kind => what.with_hint("a socket of another kind is there: unix:, unix-dgram: or unix-seqpacket:"),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => match file {
            Some(file) => what.with_hint(file),
            None => nothing_there(what),
        },
        io::ErrorKind::PermissionDenied => {
            what.with_hint("the permissions of the socket's file decide who may connect")
        }
        _ => what,
    }
}

/// Makes a bound socket listen, with the largest backlog.
pub(super) fn listen(socket: &Socket) -> Result<()> {
    socket.listen(limits::BACKLOG).map_err(|e| Error::io("the socket", e))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_mode_goes_to_the_socket_that_was_bound_and_to_nothing_else() {
        let folder = tempfile::tempdir().expect("a directory");
        let at = |name: &str| folder.path().join(name);
        let mode_of = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
        let wanted = Mode::from_raw_mode(0o666);
        let _bound = UnixListener::bind(at("bound")).expect("a socket");
        give_mode(&at("bound"), wanted).expect("it is ours");
        assert_eq!(mode_of(&at("bound")), 0o666);

        // What an attacker could put in its place: links to a file and to a socket, a file, another name of a socket.
        fs::write(at("secret"), "secret").expect("a file");
        fs::set_permissions(at("secret"), fs::Permissions::from_mode(0o600)).expect("it is ours");
        let _private = UnixListener::bind(at("private")).expect("a socket");
        fs::set_permissions(at("private"), fs::Permissions::from_mode(0o600)).expect("it is ours");
        symlink(at("secret"), at("link")).expect("a link");
        symlink(at("private"), at("socket-link")).expect("a link");
        fs::hard_link(at("private"), at("second-name")).expect("a second name");
        for planted in ["link", "socket-link", "secret", "second-name"] {
            let error = give_mode(&at(planted), wanted).expect_err(planted);
            assert_eq!(error.to_string(), "another file has taken its place", "{planted}");
        }
        assert_eq!((mode_of(&at("secret")), mode_of(&at("private"))), (0o600, 0o600));
    }
}
