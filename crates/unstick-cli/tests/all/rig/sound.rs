//! Servers that are sound and awkward: each starts on a free port of the loopback, and `shake` must not accuse it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

use super::peers::{program, temporary};
use super::process::Process;
use super::{Nginx, Server, port_at_end, python_of_packages};

/// A script of `shake_sound`, run by the interpreter that its name ends with; it prints its port.
pub(crate) fn script(name: &str, arguments: &[&str]) -> (Process, u16) {
    let mut command = match name.ends_with(".js") {
        true => Command::new("node"),
        false => Command::new(python_of_packages()),
    };
    let mut process = Process::start(command.arg(sound(name)).args(arguments));
    let line = process.line();
    let port = port_at_end(&line).unwrap_or_else(|| panic!("{name} prints no port: {line:?}"));
    (process, port)
}

/// Where a script of `shake_sound` lies.
pub(crate) fn sound(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/shake_sound").join(name)
}

/// A certificate for `localhost` with an ECDSA key, whose signatures vary in length: `cert.pem` and `key.pem`.
pub(crate) fn certificate() -> TempDir {
    let directory = temporary();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .expect("a certificate can be made");
    let write = |name: &str, text: String| fs::write(directory.path().join(name), text).expect("a file can be written");
    write("cert.pem", made.cert.pem());
    write("key.pem", made.signing_key.serialize_pem());
    directory
}

impl Server {
    /// The application of `web_app.py` under gunicorn with one worker.
    pub(crate) fn gunicorn() -> Server {
        Server::start("Booting worker", |port, _| {
            let mut command = Command::new(python_of_packages());
            command.args(["-m", "gunicorn", "web_app:wsgi", "--workers", "1", "--bind", &format!("127.0.0.1:{port}")]);
            command.arg("--chdir").arg(sound(""));
            command
        })
    }

    /// The application of `web_app.py` under uvicorn.
    pub(crate) fn uvicorn() -> Server {
        Server::start("Uvicorn running on", |port, _| {
            let mut command = Command::new(python_of_packages());
            command.args(["-m", "uvicorn", "web_app:asgi", "--host", "127.0.0.1", "--port", port, "--app-dir"]);
            command.arg(sound(""));
            command
        })
    }

    /// HAProxy in front of that nginx.
    pub(crate) fn haproxy(behind: &Nginx) -> Server {
        Server::start("Loading success", |port, directory| {
            let file = directory.path().join("haproxy.cfg");
            let text = format!(
                "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
                 frontend front\n bind 127.0.0.1:{port}\n default_backend behind\n\
                 backend behind\n server nginx 127.0.0.1:{}\n",
                behind.port
            );
            fs::write(&file, text).expect("a file can be written");
            let mut command = program("haproxy");
            command.args(["-W", "-db", "-f"]).arg(file);
            command
        })
    }

    /// Exim, which takes no mail. With `strict` it refuses a client that speaks before it is greeted, as is its default.
    pub(crate) fn exim(strict: bool) -> Server {
        Server::start("listening for SMTP on", |port, directory| {
            let file = directory.path().join("exim.conf");
            let place = directory.path().display();
            let user = account();
            let text = format!(
                "exim_user = {user}\nexim_group = {user}\nspool_directory = {place}/spool\n\
                 log_file_path = {place}/%slog\npid_file_path = {place}/pid\nprimary_hostname = exim.test\n\
                 rfc1413_query_timeout = 0s\nsmtp_enforce_sync = {strict}\nkeep_environment =\ntls_advertise_hosts =\n\
                 begin acl\nbegin routers\nbegin transports\n"
            );
            fs::write(&file, text).expect("a file can be written");
            let mut command = program("exim4");
            command.arg("-C").arg(file).args(["-bdf", "-v", "-oX", &format!("127.0.0.1:{port}")]);
            command
        })
    }
}

/// The account that runs the tests.
fn account() -> String {
    if geteuid().is_root() {
        return "root".to_owned();
    }
    let output = Command::new("id").arg("-un").output().expect("id is installed");
    String::from_utf8(output.stdout).expect("a name is text").trim_end().to_owned()
}
