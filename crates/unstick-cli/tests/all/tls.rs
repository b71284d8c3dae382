//! TLS with real programs at the other end: OpenSSL's, Python's and socat's; and the errors when it fails.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::rig::{Peer, Process, netcat, port_at_end, program, python_code, temporary, unstick, unstick_listen};

/// An authority, and its certificates in a directory: `ca.pem`, and NAME.pem with NAME.key.
struct Papers {
    directory: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Papers {
    fn new() -> Papers {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let papers = Papers { directory: temporary(), authority };
        fs::write(papers.at("ca.pem"), papers.authority.pem()).unwrap();
        papers.issue("server", &["localhost", "127.0.0.1"], 2090);
        papers
    }

    /// A certificate for these names until that year.
    fn issue(&self, file: &str, names: &[&str], until: i32) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        fs::write(self.at(&format!("{file}.pem")), certificate.pem()).unwrap();
        fs::write(self.at(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    fn at(&self, file: &str) -> String {
        self.directory.path().join(file).to_str().unwrap().to_owned()
    }

    /// `unstick listen` with the server's certificate.
    fn listen(&self, more: &[&str]) -> (Process, u16) {
        let (certificate, key) = (self.at("server.pem"), self.at("server.key"));
        unstick_listen(&[&["tls://127.0.0.1:0", "--cert", &certificate, "--key", &key], more].concat())
    }

    /// `openssl s_server` with a certificate of these.
    fn openssl_server(&self, file: &str, more: &[&str]) -> (Process, u16) {
        let (certificate, key) = (self.at(&format!("{file}.pem")), self.at(&format!("{file}.key")));
        let arguments = ["s_server", "-accept", "127.0.0.1:0", "-cert", &certificate, "-key", &key];
        let mut server = netcat("openssl", &[&arguments[..], more].concat());
        server.expect("ACCEPT 127.0.0.1:");
        let port = port_at_end(&server.line()).expect("s_server names its port");
        (server, port)
    }
}

// ---- unstick listens ----

#[test]
fn openssl_connects() {
    let papers = Papers::new();
    listens_for(&papers, |port| {
        let (connect, ca) = (format!("127.0.0.1:{port}"), papers.at("ca.pem"));
        netcat(
            "openssl",
            &[
                "s_client",
                "-quiet",
                "-no_ign_eof",
                "-verify_return_error",
                "-verify_ip",
                "127.0.0.1",
                "-CAfile",
                &ca,
                "-connect",
                &connect,
            ],
        )
    });
}

#[test]
fn socat_connects_over_tls() {
    let papers = Papers::new();
    listens_for(&papers, |port| {
        netcat("socat", &["-", &format!("OPENSSL:localhost:{port},pf=ip4,cafile={}", papers.at("ca.pem"))])
    });
}

#[test]
fn python_connects_over_tls() {
    let papers = Papers::new();
    listens_for(&papers, |port| {
        python_code(
            "import socket, ssl, sys\n\
             context = ssl.create_default_context(cafile=sys.argv[2])\n\
             plain = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n\
             with context.wrap_socket(plain, server_hostname='localhost') as s:\n\
             \x20   s.sendall(sys.stdin.readline().encode())\n\
             \x20   print(s.recv(1024).decode(), end='', flush=True)\n\
             \x20   sys.stdin.read()\n\
             \x20   s.unwrap()\n",
            &[port, &papers.at("ca.pem")],
        )
    });
}

/// A line each way.
fn listens_for(papers: &Papers, client: impl Fn(&str) -> Process) {
    let (mut listener, port) = papers.listen(&["-f", "line", "--once"]);
    let mut peer = client(&port.to_string());
    peer.feed("from the peer\n");
    assert_eq!(listener.line(), "from the peer");
    listener.feed("to the peer\n");
    assert_eq!(peer.line(), "to the peer");
    peer.end_input();
    listener.end_input();
    assert_eq!(listener.rest(), "");
    assert_eq!(listener.code(), 0, "{}", listener.errors());
}

// ---- unstick connects ----

#[test]
fn openssl_listens() {
    let papers = Papers::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let (mut server, port) = papers.openssl_server("server", &[version]);
        let mut client = unstick(&["connect", &at(port), "--ca", &papers.at("ca.pem"), "-v"]);
        client.feed("to the peer\n");
        server.expect("to the peer\n");
        server.feed("from the peer\n");
        assert_eq!(client.line(), "from the peer");
        client.end_input();
        let (code, said) = (client.code(), client.errors());
        assert_eq!(code, 0, "{said}");
        let version = if version == "-tls1_2" { "TLS 1.2, TLS_ECDHE" } else { "TLS 1.3, TLS13_" };
        for part in [version, "a certificate for localhost, 127.0.0.1, expires 2090-01-01", "sha256:"] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }
}

#[test]
fn socat_listens_over_tls_and_asks_for_a_certificate() {
    let papers = Papers::new();
    papers.issue("client", &["a client"], 2090);
    let listen = format!(
        "OPENSSL-LISTEN:0,bind=127.0.0.1,cert={},key={},cafile={},verify=1",
        papers.at("server.pem"),
        papers.at("server.key"),
        papers.at("ca.pem")
    );
    let mut server = netcat("socat", &["-d", "-d", &listen, "EXEC:cat"]);
    let port = port_at_end(&server.error_line_with("listening on ")).expect("socat names its port");
    let (ca, certificate, key) = (papers.at("ca.pem"), papers.at("client.pem"), papers.at("client.key"));
    let mut client = unstick(&["connect", &at(port), "--ca", &ca, "--cert", &certificate, "--key", &key]);
    client.feed("there and back\n");
    assert_eq!(client.line(), "there and back");
    client.end_input();
    assert_eq!(client.rest(), "");
    assert_eq!(client.code(), 0, "{}", client.errors());
}

#[test]
fn python_listens_over_tls() {
    let papers = Papers::new();
    let code = "import socket, ssl, sys\n\
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
        context.load_cert_chain(sys.argv[1], sys.argv[2])\n\
        plain = socket.create_server(('127.0.0.1', 0))\n\
        print(plain.getsockname()[1], flush=True)\n\
        while True:\n\
        \x20   s = context.wrap_socket(plain.accept()[0], server_side=True)\n\
        \x20   while data := s.recv(1 << 16):\n\
        \x20       s.sendall(data)\n\
        \x20   s.unwrap()\n";
    let mut server = python_code(code, &[&papers.at("server.pem"), &papers.at("server.key")]);
    let port = port_at_end(&server.line()).expect("the script names its port");
    let much: String = (0..200_000).map(|number| format!("{number:015}\n")).collect();
    let mut client = unstick(&["connect", &at(port), "--ca", &papers.at("ca.pem")]);
    let mut input = client.take_input();
    let sent = much.clone();
    let feeder = std::thread::spawn(move || std::io::Write::write_all(&mut input, sent.as_bytes()).unwrap());
    assert!(client.rest() == much, "the answer differs from the sent bytes");
    feeder.join().unwrap();
    assert_eq!(client.code(), 0, "{}", client.errors());
    let mut asked = unstick(&["ask", &at(port), "--ca", &papers.at("ca.pem"), "hello"]);
    assert_eq!((asked.rest().as_str(), asked.code()), ("hello\n", 0));
}

// ---- trust ----

#[test]
fn a_self_signed_listener_is_pinned_by_what_it_prints() {
    let mut listener = crate::rig::listening(&["tls://127.0.0.1:0", "--self-signed", "-f", "line", "--echo"]);
    let line = listener.error_line_with("fingerprint");
    let fingerprint = line.rsplit(' ').next().expect("it ends the line").to_owned();
    let port = port_at_end(&listener.error_line_with("listening on ")).expect("a port");
    let mut pinned = unstick(&["ask", &at(port), "--pin", &fingerprint, "hello"]);
    assert_eq!((pinned.rest().as_str(), pinned.code()), ("hello\n", 0));
    let mut insecure = unstick(&["ask", &at(port), "--insecure", "hello"]);
    assert_eq!((insecure.rest().as_str(), insecure.code()), ("hello\n", 0));
    let said = insecure.errors();
    assert!(said.contains("the server's certificate is not verified (--insecure)"), "{said}");
    let other = fingerprint.chars().rev().collect::<String>();
    fails(&["ask", &at(port), "--pin", &other, "hello"], "has another certificate than the pinned one");
    fails(&["ask", &at(port), "hello"], "no trusted authority has signed the certificate");
}

#[test]
fn a_certificate_that_openssl_made_is_trusted_by_itself() {
    let papers = Papers::new();
    let (certificate, key) = (papers.at("own.pem"), papers.at("own.key"));
    let make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let names =
        ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", &key, "-out", &certificate];
    let mut openssl = netcat("openssl", &[&make[..], &names].concat());
    assert_eq!(openssl.code(), 0, "{}", openssl.errors());
    let (_server, port) = papers.openssl_server("own", &["-rev"]);
    let mut asked = unstick(&["ask", &at(port), "--ca", &certificate, "hello"]);
    assert_eq!((asked.rest().as_str(), asked.code()), ("olleh\n", 0), "{}", asked.errors());
    fails(
        &["ask", &format!("tls://127.0.0.1:{port}"), "--ca", &certificate, "x"],
        "is for localhost, not for 127.0.0.1",
    );
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_with_what_to_do() {
    let papers = Papers::new();
    papers.issue("old", &["localhost"], 2001);
    papers.issue("other", &["example.test"], 2090);
    let ca = papers.at("ca.pem");
    let (_old, port) = papers.openssl_server("old", &[]);
    let said = fails(&["ask", &at(port), "--ca", &ca, "x"], "expired on 2001-01-01T00:00:00Z");
    assert!(said.contains("a pin takes no account of the date"), "{said}");
    let (_other, port) = papers.openssl_server("other", &[]);
    let said = fails(&["ask", &at(port), "--ca", &ca, "x"], "is for example.test, not for localhost");
    assert!(said.contains("hint: --sni NAME"), "{said}");
    papers.issue("bare", &[], 2090);
    let (_bare, port) = papers.openssl_server("bare", &[]);
    let said =
        fails(&["ask", &at(port), "--ca", &ca, "x"], "is for no name: it has no subjectAltName, only the subject");
    assert!(said.contains("the server's owner has to issue one with a subjectAltName"), "{said}");
    let (_right, port) = papers.openssl_server("other", &["-rev"]);
    let mut asked = unstick(&["ask", &at(port), "--ca", &ca, "--sni", "example.test", "hello"]);
    assert_eq!((asked.rest().as_str(), asked.code()), ("olleh\n", 0), "{}", asked.errors());
    let (_unknown, port) = papers.openssl_server("server", &[]);
    let said = fails(&["ask", &at(port), "x"], "no trusted authority has signed the certificate");
    assert!(said.contains("hint: --ca FILE trusts its authority; anybody can show a certificate"), "{said}");
}

// ---- only one side speaks TLS ----

#[test]
fn a_plain_client_of_a_tls_listener_is_told_apart() {
    let papers = Papers::new();
    let (mut listener, port) = papers.listen(&["-f", "line"]);
    let mut client = Peer::connect(port);
    client.says("hello, is this plain?\n");
    client.is_dropped();
    listener.error_line_with("does not speak TLS: it began with \"hello, is this p\"");
    listener.error_line_with("hint: a client without TLS needs a listener on tcp://");
    // It does not end nc's pipe either, which is for one conversation.
    let (mut pipe, port) = papers.listen(&[]);
    Peer::connect(port).says("hello\n");
    pipe.error_line_with("does not speak TLS");
    let mut client = unstick(&["connect", &at(port), "--ca", &papers.at("ca.pem")]);
    client.feed("the one");
    client.end_input();
    pipe.end_input();
    assert_eq!((pipe.rest().as_str(), pipe.code()), ("the one", 0));
}

#[test]
fn a_client_is_told_what_certificate_is_wanted() {
    let papers = Papers::new();
    let ca = papers.at("ca.pem");
    let (mut listener, port) = papers.listen(&["--ca", &ca, "-f", "line"]);
    let mut client = unstick(&["ask", &at(port), "--ca", &ca, "x"]);
    client.code();
    let said = client.errors();
    assert!(said.contains("it wants a client certificate\n  hint: --cert and --key show one\n"), "{said}");
    listener.error_line_with("showed no certificate, which this listener asks clients for");
    let (certificate, key) = (papers.at("own.pem"), papers.at("own.key"));
    let make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let mut openssl =
        netcat("openssl", &[&make[..], &["-subj", "/CN=me", "-keyout", &key, "-out", &certificate]].concat());
    assert_eq!(openssl.code(), 0, "{}", openssl.errors());
    let (mut listener, port) = papers.listen(&["--ca", &certificate, "-f", "line"]);
    let mut client = unstick(&["ask", &at(port), "--ca", &ca, "--cert", &certificate, "--key", &key, "x"]);
    assert_ne!(client.code(), 0);
    listener.error_line_with("is refused: it belongs to an authority, and cannot stand for a server");
    listener.error_line_with("hint: `openssl req -x509` makes such");
}

#[test]
fn a_tls_client_of_a_plain_listener_is_told_apart() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "u32be", "--reply", "never"]);
    let said = fails(&["ask", &at(port), "x"], "the TLS handshake with tls://localhost");
    assert!(said.contains("hint: does the port speak TLS? tcp:// speaks without"), "{said}");
    listener.error_line_with("is the peer speaking TLS?");
}

#[test]
fn where_the_framing_takes_what_tls_says_for_a_message_it_is_asked_about() {
    // Before the client has given up, and before it has sent an LF, which would end a line.
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "line"]);
    let mut client = unstick(&["ask", &at(port), "x"]);
    listener.error_line_with("peer 1: its bytes 160301 begin a TLS record: is the peer speaking TLS?");
    listener.error_line_with("  hint: tls:// in front of the host speaks TLS");
    drop(listener);
    assert_eq!(client.code(), 3);
    // For scripts it is an event, and the bytes are a message anyway.
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--json", "--once", "--count", "1"]);
    let mut client = Peer::connect(port);
    client.says(b"\x16\x03\x01\x00\x05\x01\n");
    let events = listener.rest();
    assert!(events.contains(r#""error":"its bytes 160301 begin a TLS record: is the peer speaking TLS?""#), "{events}");
    assert!(events.contains(r#""event":"message""#), "{events}");
    assert_eq!(listener.code(), 0);
    // The other way round: the answer of a server that speaks TLS.
    let papers = Papers::new();
    let (_server, port) = papers.listen(&["-f", "line"]);
    for verb in [&["ask", "hello"][..], &["connect", "-f", "line", "--send", "hello"]] {
        let address = format!("127.0.0.1:{port}");
        let mut client = unstick(&[&verb[..1], &[&*address], &verb[1..]].concat());
        client.code();
        let said = client.errors();
        assert!(
            said.starts_with("unstick: its bytes 150303 begin a TLS record: is the peer speaking TLS?\n"),
            "{said}"
        );
    }
}

#[test]
fn a_cut_is_no_end() {
    let papers = Papers::new();
    let code = "import socket, ssl, sys\n\
        context = ssl.create_default_context(cafile=sys.argv[2])\n\
        # In TLS 1.3 it would leave the server's tickets unread, and closing then resets the connection.\n\
        context.maximum_version = ssl.TLSVersion.TLSv1_2\n\
        plain = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n\
        s = context.wrap_socket(plain, server_hostname='localhost')\n\
        s.sendall(bytes.fromhex(sys.argv[3]))\n\
        s.close()\n";
    for (framing, sent, out, status) in [
        (&["-f", "line", "--once"][..], "61620a", "ab\n", 1),
        (&[], "61620a63", "ab\nc", 1),
        // Inside a frame, the error is the same as on TCP; a line that was cut is not a message.
        (&["-f", "line", "--once"], "61620a63", "ab\n", 5),
        (&["-f", "u16be", "--io", "line", "--once"], "0002616200", "ab\n", 5),
    ] {
        let (mut listener, port) = papers.listen(framing);
        let mut client = python_code(code, &[&port.to_string(), &papers.at("ca.pem"), sent]);
        assert_eq!(client.code(), 0, "{}", client.errors());
        assert_eq!((listener.rest().as_str(), listener.code()), (out, status), "{framing:?}");
        let said = listener.errors();
        assert!(said.contains("the connection was cut"), "{said}");
        assert_eq!(said.contains("the stream ended inside a frame, after 1 byte of it"), status == 5, "{said}");
    }
}

// ---- wrong use ----

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let papers = Papers::new();
    papers.issue("another", &["localhost"], 2090);
    let (ca, key, another) = (papers.at("ca.pem"), papers.at("server.key"), papers.at("another.pem"));
    let missing = papers.at("missing.pem");
    let encrypted = papers.at("encrypted.key");
    let mut openssl =
        netcat("openssl", &["pkey", "-in", &key, "-aes128", "-passout", "pass:secret", "-out", &encrypted]);
    assert_eq!(openssl.code(), 0, "{}", openssl.errors());
    for (arguments, what) in [
        (&["--cert", &ca][..], format!("{ca} has no private key in it\n  hint: --key FILE names another file")),
        (&["--cert", &another, "--key", &ca], format!("{ca} has no private key in it\n  hint: PEM is read")),
        (
            &["--cert", &another, "--key", &encrypted],
            format!("the key in {encrypted} is encrypted\n  hint: `openssl pkey -in KEY -out PLAIN` asks for"),
        ),
        (&["--cert", &key], format!("{key} has no certificate in it")),
        (
            &["--cert", &another, "--key", &key],
            format!("the key in {key} is not the one of the certificate in {another}"),
        ),
        (&["--cert", &missing], format!("{missing}: no such file or directory")),
        (&["--ca", &missing, "--self-signed"], format!("{missing}: no such file or directory")),
    ] {
        let mut wrong = unstick(&[&["listen", "tls://127.0.0.1:0"], arguments].concat());
        assert_eq!(wrong.code(), 2, "{arguments:?}");
        let said = wrong.errors();
        assert!(said.contains(&what), "{said}");
    }
    assert!(Path::new(&another).exists());
}

fn at(port: u16) -> String {
    format!("tls://localhost:{port}")
}

/// Checks that the program ends with status 3 and prints this; returns all its errors.
#[track_caller]
fn fails(arguments: &[&str], what: &str) -> String {
    let mut program = unstick(arguments);
    let code = program.code();
    let said = program.errors();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(what), "{what} is not in {said}");
    said
}

/// Both ends write the keys that Wireshark needs, and report that they do.
#[test]
fn keys_are_written_where_sslkeylogfile_says() {
    let papers = Papers::new();
    let [near, far] = ["near.keys", "far.keys"].map(|name| papers.at(name));
    let with_keys =
        |file: &str, arguments: &[&str]| Process::start(program().args(arguments).env("SSLKEYLOGFILE", file));
    let (certificate, key) = (papers.at("server.pem"), papers.at("server.key"));
    let listen = ["listen", "tls://127.0.0.1:0", "--cert", &certificate, "--key", &key, "--echo"];
    let mut listener = with_keys(&far, &listen);
    listener.error_line_with("SSLKEYLOGFILE is set: a reader of ");
    let port = port_at_end(&listener.error_line_with("listening on ")).unwrap();
    let address = format!("tls://127.0.0.1:{port}");
    let authority = papers.at("ca.pem");
    let mut client = with_keys(&near, &["connect", &address, "--ca", &authority, "--send", "hi", "--count", "1"]);
    client.error_line_with("can decrypt all TLS connections of this run");
    assert_eq!((client.rest(), client.code()), ("hi\n".to_owned(), 0));
    let (near, far) = (fs::read_to_string(near).unwrap(), fs::read_to_string(far).unwrap());
    let line = near.lines().find(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")).expect("a key");
    assert!(far.contains(line), "both ends have the same keys");
    let mut wrong = with_keys(&papers.at("none/file"), &["connect", &address, "--insecure"]);
    assert_eq!(wrong.code(), 2);
    assert!(wrong.errors().contains("SSLKEYLOGFILE: "), "it is said");
}

/// A fingerprint that was just seen proves nothing, so it comes with the advice to compare it.
#[test]
fn nobody_is_invited_to_pin_what_was_just_seen() {
    let papers = Papers::new();
    papers.issue("old", &["localhost", "127.0.0.1"], 2020);
    for (file, more, said) in [
        ("server", &[][..], "no trusted authority has signed"),
        ("old", &["--ca", &papers.at("ca.pem")], "expired on 2020-01-01"),
    ] {
        let (_server, port) = papers.openssl_server(file, &[]);
        let address = format!("tls://127.0.0.1:{port}");
        let mut client = unstick(&[&["connect", &address], more].concat());
        assert_eq!(client.code(), 3);
        let errors = client.errors();
        assert!(errors.contains(said), "{errors}");
        let (_, hint) = errors.split_once("hint: ").expect("a hint");
        let (advice, pin) = hint.split_once("--pin ").expect("it prints the fingerprint for a pin");
        assert!(advice.contains("ask the server's owner for its fingerprint, and only if that is "), "{hint}");
        assert!(advice.contains(pin.trim()), "{hint}");
    }
}
