//! Starts the servers that the tests of presets use: private, each on a free port, without stored data.

use std::process::Command;

use tempfile::TempDir;

use super::peers::{free_port, on_a_free_port, program, temporary};
use super::process::Process;

/// A server, its port, and the directory that goes with it.
pub(crate) struct Server {
    pub(crate) port: u16,
    _processes: Vec<Process>,
    _directory: TempDir,
}

impl Server {
    /// Starts a program on a given port, and waits until it prints these words.
    pub(super) fn start(ready: &str, make: impl Fn(&str, &TempDir) -> Command) -> Server {
        let directory = temporary();
        let (process, port) = on_a_free_port(ready, |port| Process::start(&mut make(&port.to_string(), &directory)));
        Server { port, _processes: vec![process], _directory: directory }
    }

    /// MariaDB without tables of its own: every user may log in.
    pub(crate) fn mariadb() -> Server {
        Server::start("ready for connections", |port, directory| {
            let mut command = program("mariadbd");
            let place = |name: &str| format!("{}/{name}", directory.path().display());
            command.args(["--no-defaults", "--skip-grant-tables", "--skip-log-bin", "--bind-address=127.0.0.1"]);
            command.args([format!("--datadir={}", directory.path().display()), format!("--port={port}")]);
            command.args([format!("--socket={}", place("socket")), format!("--pid-file={}", place("pid"))]);
            // Root must be named; every other user may only run as itself.
            if rustix::process::geteuid().is_root() {
                command.arg("--user=root");
            }
            command
        })
    }

    pub(crate) fn memcached() -> Server {
        Server::start("server listening", |port, _| {
            let mut command = program("memcached");
            command.args(["-l", "127.0.0.1", "-p", port, "-U", "0", "-vv"]);
            if rustix::process::geteuid().is_root() {
                command.args(["-u", "root"]);
            }
            command
        })
    }

    /// An MQTT broker; without a file it listens on the loopback and lets everybody in.
    pub(crate) fn mosquitto() -> Server {
        Server::start(" running", |port, _| {
            let mut command = program("mosquitto");
            command.args(["-v", "-p", port]);
            command
        })
    }

    pub(crate) fn nats() -> Server {
        Server::start("Server is ready", |port, _| {
            let mut command = program("nats-server");
            command.args(["--addr", "127.0.0.1", "--port", port]);
            command
        })
    }

    /// OpenLDAP without a database: it answers questions about itself.
    pub(crate) fn ldap() -> Server {
        Server::start("slapd starting", |port, directory| {
            let file = directory.path().join("slapd.conf");
            let pid = directory.path().join("pid");
            std::fs::write(&file, format!("pidfile {}\n", pid.display())).expect("a file can be written");
            let mut command = program("slapd");
            // Statistics on standard error keep it in the foreground.
            command.args(["-d", "256", "-h", &format!("ldap://127.0.0.1:{port}"), "-f"]).arg(file);
            command
        })
    }

    /// OpenSSH's server with its own key.
    pub(crate) fn ssh() -> Server {
        Server::start("Server listening on 127.0.0.1", |port, directory| {
            let key = directory.path().join("key");
            if !key.exists() {
                let mut keygen = Command::new("ssh-keygen");
                let mut made = Process::start(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
                assert_eq!(made.code(), 0, "{}", made.errors());
            }
            // The directory that its children are locked in. A service finds it created.
            if rustix::process::geteuid().is_root() {
                std::fs::create_dir_all("/run/sshd").expect("root may make a directory");
            }
            // It starts itself again for each connection, by its whole path.
            let mut command = program("/usr/sbin/sshd");
            command.args(["-D", "-e", "-f", "/dev/null", "-p", port, "-h"]).arg(key);
            command.args(["-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none", "-o", "UsePAM=no"]);
            command
        })
    }

    /// An IRC server that accepts everybody.
    pub(crate) fn irc() -> Server {
        Server::start("ready.", |port, directory| {
            let file = directory.path().join("ngircd.conf");
            let text = "[Global]\nName = irc.test\nAdminInfo1 = test\nListen = 127.0.0.1\nPorts = ";
            let options = "\n[Options]\nDNS = no\nIdent = no\nPAM = no\n";
            std::fs::write(&file, format!("{text}{port}{options}")).expect("a file can be written");
            let mut command = program("ngircd");
            command.args(["--nodaemon", "--config"]).arg(file);
            command
        })
    }

    /// The server of adb, which keeps its key in the directory; no device is attached to it.
    pub(crate) fn adb() -> Server {
        Server::start("adb_auth_inotify_init", |port, directory| {
            let mut command = program("adb");
            command.env("HOME", directory.path()).args(["-L", &format!("tcp:{port}"), "nodaemon", "server"]);
            command
        })
    }

    /// RabbitMQ as a separate node, with its own name server.
    pub(crate) fn rabbitmq() -> Server {
        let directory = temporary();
        let place = directory.path().to_owned();
        let (names, names_port) = on_a_free_port("epmd running", |port| {
            Process::start(program("epmd").args(["-d", "-port", &port.to_string(), "-address", "127.0.0.1"]))
        });
        let (node, port) = on_a_free_port("Server startup complete", |port| {
            let mut command = program("/usr/lib/rabbitmq/bin/rabbitmq-server");
            // If its port is over 45535, it would pick one over 65535 for other nodes. If it fails to start, its files go with its folder.
            command.env("RABBITMQ_DIST_PORT", free_port().to_string()).current_dir(&place);
            command
                .env("ERL_EPMD_PORT", names_port.to_string())
                .env("ERL_EPMD_ADDRESS", "127.0.0.1")
                .env("HOME", &place);
            command.env("RABBITMQ_NODENAME", format!("unstick{port}@localhost")).env("RABBITMQ_LOGS", "-");
            command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1").env("RABBITMQ_NODE_PORT", port.to_string());
            command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_listen_min 0 inet_dist_listen_max 0");
            for (name, file) in
                [("MNESIA_BASE", ""), ("LOG_BASE", ""), ("ENABLED_PLUGINS_FILE", "plugins"), ("CONF_ENV_FILE", "conf")]
            {
                command.env(format!("RABBITMQ_{name}"), place.join(file));
            }
            Process::start(&mut command)
        });
        Server { port, _processes: vec![node, names], _directory: directory }
    }
}
