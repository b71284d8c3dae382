//! Tests `replay` with real clients and servers, both ways: what a recording of them plays, each takes for the other.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::process::Command;

use rustix::process::Signal;

use crate::rig::{
    HttpServer, Mosquitto, Postgres, Process, port_at_end, program, python_of_packages, temporary, unstick,
};

/// Records what this client says to a server, and lets the recording take the place of the server and then of the client. `client`
/// returns what it has got.
fn both_ways(framing: &str, server: u16, masks: &[&str], client: impl Fn(u16) -> String) {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let path = path.to_str().unwrap();
    let to = format!("127.0.0.1:{server}");
    let mut bridge = unstick(&["listen", "127.0.0.1:0", "--to", &to, "-f", framing, "--record", path]);
    let line = bridge.error_line_with("listening on ");
    let real = client(port_at_end(line.split(" for ").next().unwrap()).unwrap());
    bridge.signal(Signal::TERM);
    bridge.code();

    let mut mock = unstick(&["replay", path, "--listen", "127.0.0.1:0"]);
    let port = port_at_end(&mock.error_line_with("listening on ")).unwrap();
    assert_eq!(client(port), real);
    assert_eq!(client(port), real, "a second time");
    mock.signal(Signal::TERM);
    assert_eq!((mock.errors(), mock.code()), (String::new(), 143));

    let mut asked = Process::start(program().args(["replay", path, "--to", &to]).args(masks));
    let text = asked.rest();
    assert!(text.starts_with("SAME: "), "{text} {}", asked.errors());
    assert_eq!(asked.code(), 0);
}

fn ran(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn postgresql_and_psql_see_no_difference() {
    let postgres = Postgres::start();
    // The process and the key of each connection are others.
    let masks = ["--mask", r"(?s-u)K\x00\x00\x00\x0c.{8}"];
    both_ways("postgres", postgres.port, &masks, |port| {
        let port = port.to_string();
        let to = ["-X", "-At", "-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        ran("psql", &[&to[..], &["-c", "SELECT 6 * 7", "-c", "SELECT generate_series(1, 100)"]].concat())
    });
}

#[test]
fn mosquitto_and_its_publisher_see_no_difference() {
    let mosquitto = Mosquitto::start();
    both_ways("mqtt", mosquitto.port, &[], |port| {
        let port = port.to_string();
        ran("mosquitto_pub", &["-h", "127.0.0.1", "-p", &port, "-i", "me", "-q", "1", "-t", "room", "-m", "21.5"])
    });
}

#[test]
fn a_web_server_and_curl_see_no_difference() {
    let web = HttpServer::start("HTTP/1.1");
    both_ways("http", web.port, &["--mask", "Date: [^\r]*"], |port| {
        let url = format!("http://127.0.0.1:{port}/page.txt");
        // The port in this header would be another one.
        let got = ran("curl", &["-sS", "-H", "Host: test", &url, &url]);
        assert_eq!(got, "hello from a page\n".repeat(2));
        ran("curl", &["-sS", "-I", "-H", "Host: test", &url])
    });
}

#[test]
fn a_language_server_on_pipes_and_its_client_see_no_difference() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let path = path.to_str().unwrap();
    let server =
        format!("exec:XDG_CACHE_HOME={} exec {} -m pylsp", folder.path().display(), python_of_packages().display());
    let client = |mut pipe: Process| {
        for message in [
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":null,"rootUri":null,"capabilities":{}}}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#,
            r#"{"jsonrpc":"2.0","method":"exit"}"#,
        ] {
            pipe.feed(format!("Content-Length: {}\r\n\r\n{message}", message.len()));
        }
        pipe.end_input();
        let got = pipe.rest();
        assert_eq!(pipe.code(), 0, "{}", pipe.errors());
        got
    };
    let real = client(unstick(&["connect", "-", "--to", &server, "-f", "lsp", "--record", path]));
    assert!(real.contains(r#""serverInfo":{"name":"pylsp""#), "{real}");
    let mut mock = unstick(&["replay", path, "--listen", "127.0.0.1:0", "--once"]);
    let port = port_at_end(&mock.error_line_with("listening on ")).unwrap();
    let played = client(unstick(&["connect", "-", "--to", &format!("127.0.0.1:{port}"), "-f", "lsp"]));
    assert_eq!(played, real);
    assert_eq!((mock.code(), mock.errors()), (0, String::new()));
    let mut asked = Process::start(program().args(["replay", path, "--to", &server, "--deadline", "60s"]));
    let text = asked.rest();
    assert_eq!(text, "SAME: 2 answers in 1 connection\n", "{}", asked.errors());
}
