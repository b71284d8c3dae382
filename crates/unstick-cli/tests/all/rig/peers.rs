//! Starts the real programs at the other end on free ports, and knows how each reports that it is ready.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use super::port_at_end;
use super::process::Process;

/// How often a server that cannot pick its own port is started again after another program took the port.
const ATTEMPTS: usize = 5;

/// A private Redis, empty, which stores nothing.
pub(crate) struct Redis {
    pub(crate) port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Redis {
    pub(crate) fn start() -> Redis {
        let directory = temporary();
        let (process, port) = on_a_free_port("Ready to accept connections", |port| {
            let mut command = program("redis-server");
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--unixsocket", ""]);
            command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(directory.path());
            Process::start(&mut command)
        });
        Redis { port, _process: process, _directory: directory }
    }
}

/// A private PostgreSQL: user `postgres`, no password, only TCP.
pub(crate) struct Postgres {
    pub(crate) port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Postgres {
    pub(crate) fn start() -> Postgres {
        let directory = temporary();
        let data = directory.path().join("data");
        if let Some((user, group)) = server_account() {
            chown(directory.path(), Some(user), Some(group)).expect("root may give directories away");
        }
        let mut initdb = postgres_program("initdb", directory.path());
        initdb.arg("--pgdata").arg(&data).args(["--auth=trust", "--username=postgres", "--no-sync"]);
        let mut initdb = Process::start(initdb.args(["--locale=C", "--encoding=UTF8", "--no-instructions"]));
        assert_eq!(initdb.code(), 0, "initdb failed: {}", initdb.errors());
        let (process, port) = on_a_free_port("ready to accept connections", |port| {
            let mut command = postgres_program("postgres", directory.path());
            command.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
            command.args(["-c", "unix_socket_directories=", "-c", &format!("port={port}")]);
            // An immediate shutdown ends the server's own children too.
            Process::start(&mut command).ended_by(Signal::QUIT)
        });
        Postgres { port, _process: process, _directory: directory }
    }
}

/// A DNS server over TCP and UDP that knows one name: `example.test` is 192.0.2.7.
pub(crate) struct Dns {
    pub(crate) port: u16,
    _process: Process,
}

impl Dns {
    pub(crate) fn start() -> Dns {
        let (process, port) = on_a_free_port("dnsmasq: started", |port| {
            let mut command = program("dnsmasq");
            command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="]);
            command.args(["--listen-address=127.0.0.1", "--bind-interfaces", &format!("--port={port}")]);
            Process::start(command.arg("--address=/example.test/192.0.2.7"))
        });
        Dns { port, _process: process }
    }
}

/// A client script of `examples/python`, connected to this port of the loopback.
pub(crate) fn python(script: &str, port: u16, arguments: &[&str]) -> Process {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python").join(script);
    // Without `site`, which loads other packages and takes half of the start.
    let mut command = Command::new(python_itself());
    Process::start(command.arg("-S").arg(path).args(["127.0.0.1", &port.to_string()]).args(arguments))
}

/// A script given as text, for a peer that one test needs.
pub(crate) fn python_code(code: &str, arguments: &[&str]) -> Process {
    Process::start(Command::new(python_itself()).args(["-S", "-c", code]).args(arguments))
}

/// The same with the packages of `.ci/python-peers`, which creates the environment if it is missing.
pub(crate) fn python_with_packages(code: &str, arguments: &[&str]) -> Process {
    Process::start(Command::new(python_of_packages()).args(["-c", code]).args(arguments))
}

/// The interpreter that has the packages of `.ci/python-peers`.
pub(crate) fn python_of_packages() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| made_by("python-peers", &[]))
}

/// An interpreter that has this one package, as `.ci/python-peers` makes it: for another version than that of the list.
pub(crate) fn python_of(package: &str) -> PathBuf {
    made_by("python-peers", &[package])
}

/// The packages of `.ci/node-peers`, for `NODE_PATH`.
pub(crate) fn node_packages() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| made_by("node-peers", &[]))
}

/// Returns what a script of `.ci` creates if it is missing.
fn made_by(script: &str, arguments: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci").join(script);
    let output = Command::new(script).args(arguments).output().expect("bash is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the packages cannot be installed: {said}");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path is text").trim_end())
}

/// The interpreter, looked up once. The first one on the PATH may be a script that chooses among several, which costs
/// many times a start.
pub(crate) fn python_itself() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        let output = output.expect("python3 is installed");
        PathBuf::from(String::from_utf8(output.stdout).expect("a path is text").trim_end())
    })
}

/// A server script of `examples/python`, and the port it picked.
pub(crate) fn python_server(script: &str) -> (Process, u16) {
    let mut process = python(script, 0, &[]);
    let line = process.line();
    let port = port_at_end(&line).unwrap_or_else(|| panic!("{script} names no port: {line:?}"));
    (process, port)
}

/// A netcat that needs no more than its arguments: a client.
pub(crate) fn netcat(name: &str, arguments: &[&str]) -> Process {
    Process::start(program(name).args(arguments))
}

/// A listening OpenBSD netcat.
pub(crate) fn netcat_server(arguments: &[&str]) -> (Process, u16) {
    let mut process = netcat("nc.openbsd", &[arguments, &["-v", "-l", "127.0.0.1", "0"]].concat());
    let port = port_at_end(&process.error_line_with(" on localhost ")).expect("nc names its port");
    (process, port)
}

/// A listening ncat. It does not report a port that it picked itself, so it is given one.
pub(crate) fn ncat_server(arguments: &[&str]) -> (Process, u16) {
    on_a_free_port("Listening on 127.0.0.1:", |port| {
        let port = port.to_string();
        netcat("ncat", &[arguments, &["-v", "-l", "127.0.0.1", &port]].concat())
    })
}

/// A socat between a listening address such as `TCP-LISTEN` and another address.
pub(crate) fn socat_server(listen: &str, other: &str) -> (Process, u16) {
    let mut process = netcat("socat", &["-d", "-d", &format!("{listen}:0,bind=127.0.0.1"), other]);
    let port = port_at_end(&process.error_line_with("listening on ")).expect("socat names its port");
    (process, port)
}

/// Finds a command as an administrator's shell does: Debian keeps servers outside a plain user's PATH.
pub(super) fn program(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// A program of the newest PostgreSQL, as the account that may run it, in a directory that the account may enter.
fn postgres_program(name: &str, directory: &Path) -> Command {
    let path = postgres_directory().join(name);
    let mut command = match server_account() {
        Some((user, group)) => {
            let mut command = program("setpriv");
            command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
            command.arg(path);
            command
        }
        None => Command::new(path),
    };
    command.current_dir(directory);
    command
}

fn postgres_directory() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (./check peers)");
    versions
        .map(|entry| entry.expect("a directory can be read").path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .max()
        .expect("a PostgreSQL server is installed (./check peers)")
}

/// The account that runs PostgreSQL, which refuses to run as root: for root the package's own account, otherwise the
/// present user.
fn server_account() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").expect("the accounts can be read");
    let account = accounts.lines().find_map(|line| line.strip_prefix("postgres:"));
    let mut fields = account.expect("the package made an account").split(':').skip(1);
    let mut number = || fields.next().and_then(|field| field.parse().ok()).expect("an account has its numbers");
    Some((number(), number()))
}

/// Starts a server that cannot be given port 0 on a port that was free a moment ago, and on another port if it ended
/// before it was ready.
pub(crate) fn on_a_free_port(ready: &str, start: impl Fn(u16) -> Process) -> (Process, u16) {
    for _ in 0..ATTEMPTS {
        let port = free_port();
        let process = start(port);
        if process.ready(ready) {
            return (process, port);
        }
    }
    let mut process = start(free_port());
    panic!("a server never became ready: {}{}", process.rest(), process.errors());
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

pub(crate) fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}
