//! Tests hostile peers of Unix sockets: unwanted file descriptors, and names made to be mistaken.

use std::fs;

use crate::rig::{Process, netcat, temporary, unstick};

/// Passes 200 descriptors with each of 50 messages, then asks for an answer, which arrives after all of them were received.
const PASSER: &str = "import array, os, socket, sys, time\n\
    kind, path = sys.argv[1:3]\n\
    s = socket.socket(socket.AF_UNIX, getattr(socket, kind))\n\
    if kind == 'SOCK_DGRAM': s.bind('')\n\
    s.connect(path)\n\
    passed = array.array('i', [os.open('/dev/null', os.O_RDONLY)] * 200)\n\
    end = b'\\n' if kind == 'SOCK_STREAM' else b''\n\
    for _ in range(50): s.sendmsg([b'take' + end], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])\n\
    s.sendmsg([b'last' + end])\n\
    s.settimeout(20)\n\
    heard = b''\n\
    while b'last' not in heard: heard += s.recv(65536)\n\
    print('answered', flush=True)\n\
    sys.stdin.read()";

/// Returns the number of descriptors that a process has open.
fn open_files(process: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", process.id())).expect("it runs").count()
}

/// Passes descriptors to the listener at a path, and counts those that stay open.
fn passes(kind: &str, path: &str, victim: &Process) {
    let before = open_files(victim);
    let mut passer = netcat("python3", &["-S", "-c", PASSER, kind, path]);
    assert_eq!(passer.line(), "answered", "{kind}");
    let after = open_files(victim);
    // The connection itself, and its partner where this is a bridge.
    assert!(after <= before + 4, "{kind}: {before} files were open, then {after}");
}

#[test]
fn descriptors_that_a_peer_passes_are_closed() {
    let folder = temporary();
    for (kind, scheme) in [("SOCK_SEQPACKET", "unix-seqpacket"), ("SOCK_DGRAM", "unix-dgram"), ("SOCK_STREAM", "unix")]
    {
        let at = folder.path().join(kind).display().to_string();
        let address = format!("{scheme}:{at}");
        let mut echo = unstick(&["listen", &address, "--echo", "-f", "line"][..if scheme == "unix" { 5 } else { 3 }]);
        echo.error_line_with("listening on ");
        passes(kind, &at, &echo);
        // Through a bridge, whose bytes the Linux kernel moves.
        let through = folder.path().join(format!("{kind}-bridge")).display().to_string();
        let mut bridge = unstick(&["listen", &format!("{scheme}:{through}"), "--to", &address]);
        bridge.error_line_with("listening on ");
        passes(kind, &through, &bridge);
        passes(kind, &at, &echo);
    }
}

#[test]
fn descriptors_that_a_server_passes_are_closed_too() {
    let folder = temporary();
    let at = folder.path().join("server").display().to_string();
    let script = "import array, os, socket, sys\n\
        l = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n\
        l.bind(sys.argv[1])\n\
        l.listen(1)\n\
        print('ready', flush=True)\n\
        c, _ = l.accept()\n\
        passed = array.array('i', [os.open('/dev/null', os.O_RDONLY)] * 200)\n\
        for _ in range(50): c.sendmsg([b'take'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])\n\
        c.send(b'last')\n\
        sys.stdin.read()";
    let mut server = netcat("python3", &["-S", "-c", script, &at]);
    assert_eq!(server.line(), "ready");
    let mut client = unstick(&["connect", &format!("unix-seqpacket:{at}")]);
    while client.line() != "last" {}
    assert!(open_files(&client) < 30, "{} files are open", open_files(&client));
}

/// Neither of the two names is text. With the same replacement character in both, they would look like one peer.
#[test]
fn two_peers_whose_names_look_alike_are_two_sessions() {
    let folder = temporary();
    let at = folder.path().join("it").display().to_string();
    let mut listener = unstick(&["listen", &format!("unix-dgram:{at}"), "--json", "--echo"]);
    listener.error_line_with("listening on ");
    let script = "import os, socket, sys\n\
        peers = []\n\
        for name in b'\\0twin\\xfe', b'\\0twin\\xff':\n\
        \x20   s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
        \x20   s.bind(name)\n\
        \x20   s.settimeout(20)\n\
        \x20   peers.append(s)\n\
        for s, text in zip(peers, [b'one', b'two']): s.sendto(text, sys.argv[1])\n\
        print(*[s.recv(100).decode() for s in peers], flush=True)";
    let mut twins = netcat("python3", &["-S", "-c", script, &at]);
    assert_eq!(twins.line(), "one two", "each gets the answer to its own");
    let mut names = Vec::new();
    while names.len() < 2 {
        let event: serde_json::Value = serde_json::from_str(&listener.line()).expect("an event");
        if event["event"] == "open" {
            names.push(event["from"].as_str().expect("a name").to_owned());
        }
    }
    assert_eq!(names, [r"@twin\xfe", r"@twin\xff"]);
}
