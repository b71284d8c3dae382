//! Starts servers that are sound but awkward, on free loopback ports. `shake` must not accuse them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
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

/// Returns the path of a script of `shake_sound`.
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

    /// Dovecot's IMAP. Everybody may log in, and has an empty mailbox.
    pub(crate) fn dovecot() -> Server {
        Server::start("starting up for imap", |port, directory| {
            let file = directory.path().join("dovecot.conf");
            let place = directory.path().display();
            let mut text = format!(
                "base_dir = {place}/run\nstate_dir = {place}/state\nlog_path = /dev/stderr\nprotocols = imap\n\
                 listen = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\nmail_location = maildir:{place}/mail\n\
                 service imap-login {{\n inet_listener imap {{\n port = {port}\n }}\n \
                 inet_listener imaps {{\n port = 0\n }}\n}}\n\
                 passdb {{\n driver = static\n args = nopassword=y\n}}\n"
            );
            // It does not read mail as root, and another account must be able to enter.
            let user = if geteuid().is_root() { "nobody".to_owned() } else { account() };
            fs::create_dir_all(directory.path().join("mail")).expect("a folder can be made");
            for (folder, mode) in [("", 0o755), ("mail", 0o777)] {
                let allowed = fs::Permissions::from_mode(mode);
                fs::set_permissions(directory.path().join(folder), allowed).expect("its owner may open it");
            }
            let group = if geteuid().is_root() { "nogroup" } else { &user };
            text += &format!("userdb {{\n driver = static\n args = uid={user} gid={group} home={place}/mail\n}}\n");
            if !geteuid().is_root() {
                text += &format!("default_login_user = {user}\ndefault_internal_user = {user}\n");
                text += &format!("default_internal_group = {user}\n");
                text += "service anvil {\n chroot =\n}\nservice imap-login {\n chroot =\n}\n";
            } else {
                text += "first_valid_uid = 0\n";
            }
            fs::write(&file, text).expect("a file can be written");
            let mut command = program("dovecot");
            command.args(["-F", "-c"]).arg(file);
            command
        })
    }

    /// Waits until the first line that it greets with holds this text: its other processes have started then.
    pub(crate) fn greets(self, text: &str) -> Server {
        let connection = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(text)), "it never greets with {text:?}");
        self
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
