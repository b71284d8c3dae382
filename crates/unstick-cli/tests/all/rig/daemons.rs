//! Starts servers that distributions ship: nginx, mosquitto, Python's own web server, socat as an echo.

use std::fs;

use rustix::process::geteuid;
use tempfile::TempDir;

use super::peers::{netcat, on_a_free_port, program, temporary};
use super::{Process, port_at_end, python_code};

/// The page that web servers serve.
pub(crate) const PAGE: &str = "hello from a page\n";

/// A private nginx that serves [`PAGE`] as `/page.txt`. It is one process, so that killing its id ends it.
pub(crate) struct Nginx {
    pub(crate) port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Nginx {
    pub(crate) fn start() -> Nginx {
        let directory = web_root();
        let root = directory.path().to_str().expect("temporary paths are text").to_owned();
        let (process, port) = on_a_free_port("getrlimit(RLIMIT_NOFILE)", |port| {
            let places =
                ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|what| format!("{what}_temp_path {root};"));
            let user = if geteuid().is_root() { "user root;" } else { "" };
            let conf = format!(
                "{user} daemon off; master_process off; pid {root}/pid; error_log stderr notice; events {{}}\n\
                 http {{ access_log off; {} server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n",
                places.concat()
            );
            let path = directory.path().join("nginx.conf");
            fs::write(&path, conf).expect("a temporary file can be written");
            Process::start(program("nginx").args(["-e", "stderr", "-p", &root, "-c"]).arg(path))
        });
        Nginx { port, _process: process, _directory: directory }
    }
}

/// A private mosquitto that accepts every client and stores nothing.
pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Mosquitto {
    pub(crate) fn start() -> Mosquitto {
        let directory = temporary();
        let (process, port) = on_a_free_port("running", |port| {
            let user = if geteuid().is_root() { "user root\n" } else { "" };
            let path = directory.path().join("mosquitto.conf");
            let conf =
                format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n{user}");
            fs::write(&path, conf).expect("a temporary file can be written");
            Process::start(program("mosquitto").args(["-v", "-c"]).arg(path))
        });
        Mosquitto { port, _process: process, _directory: directory }
    }
}

/// Python's `http.server`, a thread a connection, serving [`PAGE`] as `/page.txt`.
pub(crate) struct HttpServer {
    pub(crate) port: u16,
    _process: Process,
    _directory: TempDir,
}

impl HttpServer {
    /// Starts it with `HTTP/1.0` or `HTTP/1.1`.
    pub(crate) fn start(protocol: &str) -> HttpServer {
        const CODE: &str = "
import functools, sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
SimpleHTTPRequestHandler.protocol_version = sys.argv[1]
handler = functools.partial(SimpleHTTPRequestHandler, directory=sys.argv[2])
server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
print(server.server_address[1], flush=True)
server.serve_forever()
";
        let directory = web_root();
        let mut process = python_code(CODE, &[protocol, directory.path().to_str().expect("temporary paths are text")]);
        let port = port_at_end(&process.line()).expect("the script prints its port");
        HttpServer { port, _process: process, _directory: directory }
    }
}

/// A socat that echoes, with one process for each connection.
pub(crate) fn socat_echo() -> (Process, u16) {
    let mut process = netcat("socat", &["-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,fork,backlog=64", "EXEC:cat"]);
    let port = port_at_end(&process.error_line_with("listening on ")).expect("socat names its port");
    (process, port)
}

fn web_root() -> TempDir {
    let directory = temporary();
    fs::write(directory.path().join("page.txt"), PAGE).expect("a temporary file can be written");
    directory
}
