//! Tests `shake` with servers that are not plain TCP: Unix sockets, TLS, WebSocket. It accuses no correct server, finds
//! the broken ones, and proves that each cut was delivered.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::rig::{Process, certificate, netcat, port_at_end, program, python_itself, script, temporary, unstick};

/// What `unstick shake --json` reports of these targets: every cut was planned for and proven.
fn report(arguments: &[&str]) -> Value {
    let mut shake = Process::start(program().args(["shake", "--json"]).args(arguments));
    let said = shake.rest();
    let report: Value =
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{arguments:?}: {said}{}", shake.errors()));
    assert_eq!(report["unproven"], 0, "{arguments:?}: {report:#}");
    assert_eq!(report["delivered"], report["planned"], "{arguments:?}: {report:#}");
    assert!(report["planned"].as_u64().is_some_and(|planned| planned > 0), "{report:#}");
    report
}

fn is_spared(arguments: &[&str]) {
    let report = report(arguments);
    assert_eq!(report["verdict"], "same", "{arguments:?}: {report:#}");
    is_spared_open(arguments);
}

/// The same, if the client does not end its side.
fn is_spared_open(arguments: &[&str]) {
    let report = report(&[arguments, &["--no-half-close"]].concat());
    assert_eq!(report["verdict"], "same", "{arguments:?}: {report:#}");
}

/// The single cuts that fail.
fn cuts_found(arguments: &[&str]) -> Vec<u64> {
    let report = report(arguments);
    assert_eq!(report["verdict"], "broken", "{arguments:?}: {report:#}");
    let failing = report["findings"][0]["failing"].as_array().expect("a finding has cases");
    let place = |case: &Value| case.as_str()?.strip_prefix("c2s:cut@")?.parse().ok();
    let mut places: Vec<u64> = failing.iter().filter_map(place).collect();
    places.sort_unstable();
    places
}

fn lines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/shake_targets/lines.py")
}

/// `lines.py` with these arguments, and the port that it prints, if any.
fn server(arguments: &[&str]) -> (Process, Option<u16>) {
    let mut process = Process::start(Command::new(python_itself()).arg("-S").arg(lines()).args(arguments));
    let port = port_at_end(&process.line());
    (process, port)
}

fn served(arguments: &[&str]) -> (Process, u16) {
    let (process, port) = server(arguments);
    (process, port.expect("it prints its port"))
}

const TWO_LINES: [&str; 4] = ["--send-hex", "68656c6c6f0a", "--send-hex", "776f726c640a"];

// ---- sockets of this machine ----

#[test]
fn a_server_on_a_unix_socket() {
    let folder = temporary();
    for mode in ["sound", "hasty"] {
        let path = folder.path().join(format!("a {mode} socket")).display().to_string();
        let (_server, _) = server(&[mode, "unix", &path]);
        let to = format!("unix:{path}");
        let arguments = [&["--to", &to], &TWO_LINES[..]].concat();
        match mode {
            "sound" => is_spared(&arguments),
            _ => assert_eq!(cuts_found(&arguments), [1, 2, 3, 4, 5, 7, 8, 9, 10, 11], "inside both lines"),
        }
    }
}

#[test]
fn a_server_on_a_unix_socket_is_started_for_each_case_and_its_file_is_no_obstacle() {
    let folder = temporary();
    let to = format!("unix:{}", folder.path().join("socket").display());
    let start = format!("exec '{}' -S '{}' hasty unix {{path}}", python_itself().display(), lines().display());
    let arguments = ["--to", &to, "--start", &start, "--send-hex", "616263640a"];
    assert_eq!(cuts_found(&arguments), [1, 2, 3, 4]);
}

#[test]
fn a_client_in_front_of_a_unix_socket_is_told_a_port() {
    let folder = temporary();
    let path = folder.path().join("socket").display().to_string();
    let (_server, _) = server(&["hasty", "unix", &path]);
    let client = "printf 'hello\\n' | nc.openbsd -N {host} {port}";
    let cuts = cuts_found(&["--to", &format!("unix:{path}"), "--", "sh", "-c", client]);
    assert_eq!(cuts, [1, 2, 3, 4, 5]);
}

// ---- handshakes that fail ----

/// What `shake` reports of a server that refuses some connections: its verdict, its notes and its status.
fn refusing(transport: &[&str], refused: &str) -> (String, String, i32) {
    let mut command = Command::new(python_itself());
    command.env("REFUSES", refused).arg("-S").arg(lines()).arg("sound").args(transport);
    let mut server = Process::start(&mut command);
    let port = port_at_end(&server.line()).expect("it prints its port");
    let to = format!("{}://localhost:{port}", transport[0]);
    let mut shake = Process::start(
        program()
            .args(["shake", "--json", "--to", &to, "--jobs", "1"])
            .args(TWO_LINES)
            .args(if transport[0] == "tls" { &["--insecure"][..] } else { &[] }),
    );
    let said = shake.rest();
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("no report: {said}{}", shake.errors()));
    (report["verdict"].to_string(), report["notes"].to_string(), shake.code())
}

/// `HANDSHAKE_TRIES`: after two failures in a row, `shake` tries again. A server that completes no more handshakes ends the run.
#[test]
fn a_handshake_that_fails_in_mid_run_is_no_fault_of_a_case_and_no_error() {
    let papers = certificate();
    let at = |name: &str| papers.path().join(name).display().to_string();
    let (certificate, key) = (at("cert.pem"), at("key.pem"));
    for transport in [&["tls", &certificate, &key][..], &["ws"]] {
        let (verdict, notes, status) = refusing(transport, "6 9-10");
        assert_eq!((&*verdict, status), ("\"same\"", 0), "{transport:?}: {notes}");
        assert!(notes.contains("3 handshakes with the server failed and were tried again"), "{transport:?}: {notes}");
        for from in ["1-", "2-", "5-", "8-"] {
            let (verdict, notes, status) = refusing(transport, from);
            assert_eq!((&*verdict, status), ("\"inconclusive\"", 7), "{transport:?} {from}: {notes}");
            assert!(notes.contains("the server stopped completing handshakes"), "{transport:?} {from}: {notes}");
        }
    }
}

// ---- TLS ----

#[test]
fn a_server_inside_tls() {
    let papers = certificate();
    let at = |name: &str| papers.path().join(name).display().to_string();
    let (_server, port) = served(&["sound", "tls", &at("cert.pem"), &at("key.pem")]);
    let to = format!("tls://localhost:{port}");
    is_spared(&[&["--to", &*to, "--insecure"], &TWO_LINES[..]].concat());
    is_spared(&[&["--to", &*to, "--ca", &*at("cert.pem")], &TWO_LINES[..]].concat());
    let (_server, port) = served(&["hasty", "tls", &at("cert.pem"), &at("key.pem")]);
    let to = format!("tls://localhost:{port}");
    let arguments = [&["--to", &*to, "--insecure"], &TWO_LINES[..]].concat();
    assert_eq!(cuts_found(&arguments), [1, 2, 3, 4, 5, 7, 8, 9, 10, 11], "each cut ends a record");
}

#[test]
fn openssl_s_server_in_each_version_of_tls() {
    let papers = certificate();
    let at = |name: &str| papers.path().join(name).display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let (certificate, key) = (at("cert.pem"), at("key.pem"));
        let files = ["s_server", "-accept", "127.0.0.1:0", "-cert", &certificate, "-key", &key, "-rev", version];
        let mut server = netcat("openssl", &files);
        server.expect("ACCEPT 127.0.0.1:");
        let port = port_at_end(&server.line()).expect("it prints its port");
        let to = format!("tls://localhost:{port}");
        is_spared(&[&["--to", &*to, "--insecure", "--jobs", "1"], &TWO_LINES[..]].concat());
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_and_a_pin_accepts_it() {
    let papers = certificate();
    let at = |name: &str| papers.path().join(name).display().to_string();
    let (_server, port) = served(&["sound", "tls", &at("cert.pem"), &at("key.pem")]);
    let to = format!("tls://localhost:{port}");
    let mut shake = unstick(&["shake", "--to", &to, "--send", "hello"]);
    let said = shake.errors();
    assert!(said.contains("no trusted authority has signed the certificate"), "{said}");
    assert_ne!(shake.code(), 0);
    let pin = said.split("--pin ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let pin = pin.map_or_else(|| fingerprint(&at("cert.pem")), str::to_owned);
    is_spared(&[&["--to", &*to, "--pin", &*pin], &TWO_LINES[..]].concat());
}

/// SHA-256 of a certificate.
fn fingerprint(file: &str) -> String {
    let output = Command::new("openssl").args(["x509", "-noout", "-fingerprint", "-sha256", "-in", file]).output();
    let text = String::from_utf8(output.expect("openssl runs").stdout).expect("a fingerprint is text");
    text.trim_end().rsplit('=').next().unwrap_or_default().to_owned()
}

#[test]
fn a_plain_client_in_front_of_a_server_inside_tls() {
    let papers = certificate();
    let at = |name: &str| papers.path().join(name).display().to_string();
    let (_server, port) = served(&["hasty", "tls", &at("cert.pem"), &at("key.pem")]);
    let to = format!("tls://localhost:{port}");
    let client = "printf 'hello\\n' | nc.openbsd -N {host} {port}";
    let cuts = cuts_found(&["--to", &to, "--insecure", "--", "sh", "-c", client]);
    assert_eq!(cuts, [1, 2, 3, 4, 5], "the server sees it in records");
}

// ---- WebSocket ----

#[test]
fn a_server_inside_a_web_socket() {
    let (_server, port) = script("websockets_server.py", &[]);
    let to = format!("ws://127.0.0.1:{port}/path");
    is_spared(&["--to", &to, "--send", "hello", "--send", "wörld"]);
    is_spared(&["--to", &to, "--send-hex", "00ff", "--binary", "--header", "X-Name: value"]);
    let (_server, port) = served(&["sound", "ws"]);
    is_spared(&["--to", &format!("ws://127.0.0.1:{port}"), "--send", "hello", "--send", "world"]);
}

#[test]
fn a_server_that_takes_each_read_for_a_frame() {
    let (_server, port) = served(&["hasty", "ws"]);
    let cuts = cuts_found(&["--to", &format!("ws://127.0.0.1:{port}"), "--send", "hello"]);
    assert_eq!(cuts, [6, 7, 8, 9, 10], "the mask has arrived, and some of the text has not");
}

#[test]
fn a_web_socket_inside_tls() {
    let papers = certificate();
    let at = |name: &str| papers.path().join(name).display().to_string();
    let (_server, port) = script("websockets_server.py", &[&at("cert.pem"), &at("key.pem")]);
    is_spared(&["--to", &format!("wss://localhost:{port}"), "--insecure", "--send", "hello"]);
}

#[test]
fn a_client_of_web_sockets_opens_its_own() {
    let (_server, port) = served(&["hasty", "ws"]);
    let client = ["connect", "ws://{address}", "--send", "hello", "--count", "1"];
    let to = format!("ws://127.0.0.1:{port}");
    let all =
        ["--to", &to, "--output", "--depth", "1", "--case", "c2s:cut@100000", "--", env!("CARGO_BIN_EXE_unstick")];
    let mut shake = Process::start(program().arg("shake").args(all).args(client));
    let (told, said) = (shake.rest(), shake.errors());
    assert!(told.contains("bytes to the server"), "the handshake is part of the conversation: {told}{said}");
}

#[test]
fn a_server_inside_tls_or_a_web_socket_is_started_for_each_case() {
    let papers = certificate();
    let at = |name: &str| papers.path().join(name).display().to_string();
    let start = format!("exec '{}' -S '{}' hasty", python_itself().display(), lines().display());
    let tls = format!("{start} tls '{}' '{}'", at("cert.pem"), at("key.pem"));
    let some = ["--send-hex", "68690a", "--case", "c2s:cut@1", "--case", "c2s:cut@2"];
    let cuts = cuts_found(&[&["--to", "tls://localhost:0", "--insecure", "--start", &tls], &some[..]].concat());
    assert_eq!(cuts, [1, 2]);
    let web = format!("{start} ws");
    let some = ["--send", "hi", "--case", "c2s:cut@1", "--case", "c2s:cut@7"];
    let cuts = cuts_found(&[&["--to", "ws://localhost:0", "--start", &web], &some[..]].concat());
    assert_eq!(cuts, [7]);
}

// ---- wrong use ----

#[test]
fn wrong_use_of_targets_is_one_sentence_and_a_hint() {
    for (arguments, sentence, hint) in [
        (&["--to", "udp://:1"][..], "shake cuts streams, and udp://localhost:1 is not a stream", "tls://HOST:PORT"),
        (&["--to", "unix-seqpacket:/x"], "shake cuts streams", "unix:PATH"),
        (&["--to", "ws://:0"], "no server listens on port 0", "--start"),
        (&["--to", ":1", "--insecure"], "--ca, --cert, --alpn, --pin, --sni and --insecure", "tls://"),
        (&["--to", ":1", "--header", "A: b"], "--subprotocol, --binary, --text and --header", "ws://"),
    ] {
        let mut shake = unstick(&[&["shake", "--send", "x"], arguments].concat());
        let said = shake.errors();
        assert!(said.starts_with(&format!("unstick: {sentence}")), "{said}");
        assert!(said.lines().nth(1).is_some_and(|line| line.starts_with("  hint: ") && line.contains(hint)), "{said}");
        assert_eq!((said.lines().count(), shake.code()), (2, 2), "{said}");
    }
    let mut shake = unstick(&["shake", "--stdio", "--insecure", "--send", "x", "--", "cat"]);
    let said = shake.errors();
    assert!(said.contains("--insecure are for tls:// and wss://"), "{said}");
    assert_eq!(shake.code(), 2, "{said}");
    let mut shake = unstick(&["shake", "--to", "ws://127.0.0.1:1", "-f", "line", "--send", "x"]);
    let said = shake.errors();
    assert!(said.contains("a WebSocket message already is a whole message"), "{said}");
    assert_eq!(shake.code(), 2, "{said}");
}
