//! Tests Unix sockets with netcat, socat and Python at the other end, as client and as server.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;

use crate::rig::{Process, netcat, temporary, unstick};

/// The program, once it listens on `SCHEME:PATH`.
fn listening(scheme: &str, path: &Path, more: &[&str]) -> Process {
    let address = format!("{scheme}:{}", path.display());
    let mut process = unstick(&[&["listen", &*address], more].concat());
    let line = process.error_line_with("listening on ");
    assert!(line.trim_end().ends_with(&address), "{line}");
    process
}

#[test]
fn netcat_and_socat_connect() {
    let folder = temporary();
    let path = folder.path().join("it.sock");
    let at = path.display().to_string();
    let clients = [
        ("nc.openbsd", vec!["-N".to_owned(), "-U".to_owned(), at.clone()]),
        ("socat", vec!["-".to_owned(), format!("UNIX-CONNECT:{at}")]),
    ];
    for (name, arguments) in clients {
        let mut listener = listening("unix", &path, &["-f", "line", "--once"]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        talk(&mut listener, &mut netcat(name, &arguments));
        assert!(!path.exists(), "the listener removes its file");
    }
}

#[test]
fn netcat_and_socat_listen() {
    let folder = temporary();
    let path = folder.path().join("it.sock");
    let at = path.display().to_string();
    let mut nc = netcat("nc.openbsd", &["-N", "-v", "-l", "-U", &at]);
    nc.error_line_with("Listening on ");
    talk(&mut unstick(&["connect", &format!("unix:{at}"), "-f", "line"]), &mut nc);
    std::fs::remove_file(&path).unwrap();
    let mut socat = netcat("socat", &["-d", "-d", &format!("UNIX-LISTEN:{at}"), "-"]);
    socat.error_line_with("listening on ");
    // nc's pipe moves bytes over any socket.
    talk(&mut unstick(&["connect", &format!("unix:{at}")]), &mut socat);
}

/// Checks a line each way. Then both ends are done, and nothing more has arrived.
fn talk(unstick: &mut Process, peer: &mut Process) {
    unstick.feed("to the peer\n");
    assert_eq!(peer.line(), "to the peer");
    peer.feed("from the peer\n");
    assert_eq!(unstick.line(), "from the peer");
    unstick.end_input();
    peer.end_input();
    assert_eq!((unstick.rest(), unstick.code()), (String::new(), 0));
    assert_eq!(peer.rest(), "");
}

#[test]
fn datagrams_go_both_ways_with_socat() {
    let folder = temporary();
    let (server, client) = (folder.path().join("server"), folder.path().join("client"));
    let (server_at, client_at) = (server.display(), client.display());
    let mut listener = listening("unix-dgram", &server, &["--io", "escaped", "--count", "2", "--reply", "an answer\n"]);
    let mut socat = netcat("socat", &["-", &format!("UNIX-SENDTO:{server_at},bind={client_at}")]);
    socat.feed("first\n");
    assert_eq!((listener.line(), socat.line()), (r"first\n".to_owned(), "an answer".to_owned()));
    socat.feed("second\n");
    assert_eq!((listener.line(), socat.line(), listener.code()), (r"second\n".to_owned(), "an answer".to_owned(), 0));
    drop(socat);

    let mut socat = netcat("socat", &["-d", "-d", &format!("UNIX-RECVFROM:{server_at},fork"), "EXEC:cat"]);
    socat.error_line_with("receiving on ");
    let mut asked = unstick(&["ask", &format!("unix-dgram:{server_at}"), "are you there?"]);
    // It has its own name, or it would get no answer.
    assert_eq!((asked.line(), asked.code()), ("are you there?".to_owned(), 0));
}

#[test]
fn seqpackets_go_both_ways_with_python() {
    let folder = temporary();
    let path = folder.path().join("it.sock");
    let script = "import socket, sys\n\
                  s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n\
                  s.connect(sys.argv[1])\n\
                  for text in b'one', b'', b'two\\n': s.send(text)\n\
                  print(s.recv(100), s.recv(100), s.recv(100), flush=True)\n\
                  s.shutdown(socket.SHUT_WR)\n\
                  print(s.recv(100), flush=True)";
    let mut listener = listening("unix-seqpacket", &path, &["--io", "escaped", "--echo", "--once"]);
    let mut python = netcat("python3", &["-S", "-c", script, &path.display().to_string()]);
    assert_eq!(python.line(), r"b'one' b'' b'two\n'");
    assert_eq!(python.line(), "b''", "our end follows theirs");
    assert_eq!((listener.rest(), listener.code()), ("one\n\ntwo\\n\n".to_owned(), 0));
}

#[test]
fn permissions_are_set_and_a_signal_leaves_no_file_behind() {
    let folder = temporary();
    for scheme in ["unix", "unix-dgram", "unix-seqpacket"] {
        let path = folder.path().join(scheme);
        let listener = listening(scheme, &path, &["--mode", "640", "--echo"]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        listener.signal(Signal::TERM);
        let mut listener = listener;
        assert_eq!(listener.code(), 143);
        assert!(!path.exists(), "{scheme}");
    }
}

#[test]
fn a_listener_that_was_killed_does_not_block_the_next() {
    let folder = temporary();
    let path = folder.path().join("it.sock");
    let mut first = listening("unix", &path, &["--echo"]);
    let mut second = unstick(&["listen", &format!("unix:{}", path.display()), "--echo"]);
    let errors = second.errors();
    assert!(errors.ends_with("address already in use\n  hint: another program listens there\n"), "{errors}");
    assert_eq!(second.code(), 3);
    first.signal(Signal::KILL);
    first.rest();
    assert!(path.exists(), "nobody could remove it");
    listening("unix", &path, &["--echo"]);
}
