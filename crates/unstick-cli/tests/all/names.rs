//! `localhost` where the system does not know it: without `/etc/hosts`, and with a name server that says nothing.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use unstick::limits;

use crate::rig::{Process, temporary};

/// Time after which the system itself gives up on a silent name server: 5 s for one attempt, and one attempt only.
const RESOLV: &str = "nameserver 127.0.0.1\noptions attempts:1 timeout:5\n";

/// The port that the system asks. Nothing else can hold it, since each test has a network of its own.
const NAME_SERVER: u16 = 53;

/// Converses with a name that means this machine, in a network of its own whose `/etc/hosts` is empty. What `before` starts is there
/// first. Returns the time that the client took.
fn converses(before: &str, name: &str) -> Duration {
    let files = temporary();
    for (file, content) in [("hosts", ""), ("resolv.conf", RESOLV), ("nsswitch.conf", "hosts: files dns\n")] {
        fs::write(files.path().join(file), content).unwrap();
    }
    let script = format!(
        r#"ip link set lo up
           for file in hosts resolv.conf nsswitch.conf; do mount --bind "$1/$file" "/etc/$file"; done
           mkfifo "$1/told"
           {before}
           "$0" listen 127.0.0.1:0 -f line --echo --count 1 --no-stdin >/dev/null 2>"$1/told" &
           exec 4<"$1/told"; read -r listening <&4
           echo ready; read -r line
           exec "$0" ask '{name}:'"${{listening##*:}}" -f line hello"#
    );
    let mut shell = Command::new("unshare");
    shell.args(["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"]);
    shell.args(["sh", "-euc", &script, env!("CARGO_BIN_EXE_unstick")]).arg(files.path());
    let mut shell = Process::start(shell.env("UNSTICK_CONFIG", ""));
    assert_eq!(shell.line(), "ready", "{}", shell.errors());
    let begun = Instant::now();
    shell.feed("\n");
    assert_eq!(shell.line(), "hello", "{}", shell.errors());
    let took = begun.elapsed();
    assert_eq!(shell.code(), 0, "{}", shell.errors());
    took
}

#[test]
fn localhost_is_loopback_without_a_hosts_file() {
    converses("", "localhost");
    converses("", "App.LocalHost.");
}

/// `LOCALHOST_LOOKUP`: a name server that reads and never answers crosses it.
#[test]
fn localhost_does_not_wait_for_a_silent_name_server() {
    let silent = format!(
        r#""$0" listen udp://127.0.0.1:{NAME_SERVER} --no-stdin >/dev/null 2>"$1/told" &
           exec 3<"$1/told"; read -r line <&3"#
    );
    let took = converses(&silent, "app.localhost");
    assert!((limits::LOCALHOST_LOOKUP..Duration::from_secs(5)).contains(&took), "{took:?}");
}
