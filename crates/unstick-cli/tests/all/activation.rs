//! Tests socket activation: sockets that the program inherits at its start, as systemd passes them.

use crate::rig::{Peer, Process, netcat, temporary};

/// Binds a socket, prints its address, and becomes unstick with the socket as descriptor 3.
const ACTIVATE: &str = "import os, socket, sys\n\
    family, kind, address = sys.argv[1:4]\n\
    s = socket.socket(getattr(socket, family), getattr(socket, kind))\n\
    s.bind(address if family == 'AF_UNIX' else (address, 0))\n\
    if kind != 'SOCK_DGRAM': s.listen(5)\n\
    print(s.getsockname()[1] if family == 'AF_INET' else address, flush=True)\n\
    os.dup2(s.fileno(), 3) if s.fileno() != 3 else os.set_inheritable(3, True)\n\
    os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
    os.execvp(sys.argv[4], sys.argv[4:])";

/// `unstick listen` with these arguments and such a socket, and the socket's address.
fn activated(socket: [&str; 3], arguments: &[&str]) -> (Process, String) {
    let program = [env!("CARGO_BIN_EXE_unstick"), "listen"];
    let mut process = netcat("python3", &[&["-S", "-c", ACTIVATE][..], &socket, &program, arguments].concat());
    let bound = process.line();
    (process, bound)
}

#[test]
fn a_socket_that_was_handed_over_is_listened_on() {
    let (mut process, port) =
        activated(["AF_INET", "SOCK_STREAM", "127.0.0.1"], &["0", "--echo", "-f", "line", "--once"]);
    // It was listening before the program was there.
    let mut client = Peer::connect(port.parse().expect("a port is a number"));
    client.says("hello\n");
    client.hears("hello\n");
    let line = process.error_line_with("listening on ");
    assert!(line.trim_end().ends_with(&format!("tcp://127.0.0.1:{port}")), "{line}");
    drop(client);
    assert_eq!(process.code(), 0);

    let folder = temporary();
    let path = folder.path().join("it.sock");
    let at = path.to_str().expect("the path is text");
    for (kind, address) in
        [("SOCK_STREAM", "unix:"), ("SOCK_DGRAM", "unix-dgram:"), ("SOCK_SEQPACKET", "unix-seqpacket:")]
    {
        let address = format!("{address}{at}");
        let (mut process, _) = activated(["AF_UNIX", kind, at], &[&address, "--reply", "yes", "--count", "1"]);
        let mut asked = crate::rig::unstick(&["ask", &address, "hello"]);
        assert_eq!((asked.line(), asked.code(), process.code()), ("yes".to_owned(), 0, 0), "{address}");
        std::fs::remove_file(at).expect("the program that bound it removes it");
    }
}

#[test]
fn datagrams_come_through_a_socket_that_was_handed_over() {
    let (mut process, port) =
        activated(["AF_INET", "SOCK_DGRAM", "127.0.0.1"], &["udp://:0", "--reply", "yes", "--count", "1"]);
    let mut asked = crate::rig::unstick(&["ask", &format!("udp://127.0.0.1:{port}"), "hello"]);
    assert_eq!((asked.line(), asked.code(), process.code()), ("yes".to_owned(), 0, 0));
}

#[test]
fn a_bridge_can_be_activated() {
    let (server, address) = crate::rig::listener();
    let (_process, port) = activated(["AF_INET", "SOCK_STREAM", "127.0.0.1"], &["0", "--to", &address]);
    let mut client = Peer::connect(port.parse().expect("a port is a number"));
    client.says("hello");
    Peer::accept(&server).hears("hello");
}

#[test]
fn a_socket_that_does_not_fit_is_told() {
    let (mut process, port) = activated(["AF_INET", "SOCK_STREAM", "127.0.0.1"], &["udp://:0", "--echo"]);
    let wanted = format!(
        "unstick: no socket for localhost:0 was handed over (LISTEN_FDS)\n  hint: handed over: 127.0.0.1:{port}\n"
    );
    assert_eq!((process.errors(), process.code()), (wanted, 3));
}

/// Listens, accepts one client, and becomes unstick with that connection as descriptor 3: systemd's `Accept=yes`.
const ACCEPT: &str = "import os, socket, sys\n\
    family, kind, address = sys.argv[1:4]\n\
    s = socket.socket(getattr(socket, family), getattr(socket, kind))\n\
    s.bind(address if family == 'AF_UNIX' else (address, 0))\n\
    s.listen(5)\n\
    print(s.getsockname()[1] if family == 'AF_INET' else address, flush=True)\n\
    c, _ = s.accept()\n\
    s.close()\n\
    os.dup2(c.fileno(), 3) if c.fileno() != 3 else os.set_inheritable(3, True)\n\
    os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
    os.execvp(sys.argv[4], sys.argv[4:])";

/// `unstick listen` with these arguments and a connection that another program has accepted, and the address for clients.
fn accepted(socket: [&str; 3], arguments: &[&str]) -> (Process, String) {
    let program = [env!("CARGO_BIN_EXE_unstick"), "listen"];
    let mut process = netcat("python3", &[&["-S", "-c", ACCEPT][..], &socket, &program, arguments].concat());
    let bound = process.line();
    (process, bound)
}

#[test]
fn a_connection_that_was_handed_over_is_served_and_its_end_is_the_end() {
    let (mut process, port) = accepted(["AF_INET", "SOCK_STREAM", "127.0.0.1"], &["0", "--echo", "-f", "line"]);
    let mut client = Peer::connect(port.parse().expect("a port is a number"));
    client.says("hello\n");
    client.hears("hello\n");
    drop(client);
    assert_eq!((process.code(), process.errors()), (0, String::new()));

    let folder = temporary();
    for (kind, scheme) in [("SOCK_STREAM", "unix:"), ("SOCK_SEQPACKET", "unix-seqpacket:")] {
        let path = folder.path().join(kind);
        let at = path.to_str().expect("the path is text");
        let address = format!("{scheme}{at}");
        let (mut process, _) = accepted(["AF_UNIX", kind, at], &[&address, "--reply", "yes"]);
        let mut asked = crate::rig::unstick(&["ask", &address, "hello"]);
        assert_eq!((asked.line(), asked.code(), process.code()), ("yes".to_owned(), 0, 0), "{address}");
        assert!(path.exists(), "the file is its listener's");
    }
}

#[test]
fn what_is_spoken_over_a_connection_that_was_handed_over_shakes_hands_first() {
    for (scheme, framing, more) in [("ws", &[][..], &[][..]), ("tls", &["-f", "line"], &["--insecure"])] {
        let server = format!("{scheme}://127.0.0.1:0");
        let own: &[&str] = if scheme == "tls" { &["--self-signed"] } else { &[] };
        let server = [&[&*server, "--echo"], framing, own].concat();
        let (mut process, port) = accepted(["AF_INET", "SOCK_STREAM", "127.0.0.1"], &server);
        let address = format!("{scheme}://127.0.0.1:{port}");
        let mut client = crate::rig::unstick(&[&["connect", &*address], framing, more].concat());
        client.feed("hello\n");
        assert_eq!(client.line(), "hello", "{scheme}");
        client.end_input();
        assert_eq!((client.code(), process.code()), (0, 0), "{scheme}");
    }
}

#[test]
fn a_bridge_from_a_connection_that_was_handed_over() {
    let (server, address) = crate::rig::listener();
    let (mut process, port) = accepted(["AF_INET", "SOCK_STREAM", "127.0.0.1"], &["0", "--to", &address]);
    let mut client = Peer::connect(port.parse().expect("a port is a number"));
    client.says("hello");
    let mut far = Peer::accept(&server);
    far.hears("hello");
    drop((client, far));
    assert_eq!(process.code(), 0);
}
