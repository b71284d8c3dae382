//! Programs that `shake` must not accuse: servers and clients that millions use. Times and random values in their
//! answers cause no finding, and every cut is delivered.

use std::time::Duration;

use crate::rig::{HttpServer, Mosquitto, Nginx, Postgres, Process, Redis, program, socat_echo};

/// Longer than any of these takes, even during a build.
const PATIENCE: Duration = Duration::from_secs(55);

/// Checks that `shake` finds nothing, and delivers every cut.
pub(crate) fn spares(arguments: &[&str]) {
    let mut shake = Process::start(program().args(["shake", "--json"]).args(arguments)).patient(PATIENCE);
    let said = shake.rest();
    let report: serde_json::Value = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{arguments:?} ends with {}: {said}{}", shake.code(), shake.errors()));
    let number = |key: &str| report[key].as_u64().expect("a number of the report");
    assert_eq!(report["verdict"], "same", "{arguments:?}: {report:#}");
    assert_eq!(report["findings"].as_array().expect("a list").len(), 0, "{report:#}");
    // Cuts that are impossible, because the receiver has gone or the sender waits, are planned, and reported as impossible.
    assert_eq!(number("delivered") + number("impossible"), number("planned"), "{arguments:?}: {report:#}");
    assert!(number("delivered") > 0, "{arguments:?}: {report:#}");
    assert_eq!(shake.code(), 0);
}

/// A server, asked with these bytes.
fn spares_server(port: u16, bytes: impl AsRef<[u8]>) {
    let hex: String = bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    spares(&["--to", &format!("127.0.0.1:{port}"), "--send-hex", &hex]);
}

/// A client of a server; its output is compared, too.
fn spares_client(port: u16, command: &[&str]) {
    spares(&[&["--to", &*format!("127.0.0.1:{port}"), "--output", "--"], command].concat());
}

/// Two requests in one go: the answers hold the time of day.
const REQUESTS: &str = "GET /page.txt HTTP/1.1\r\nHost: localhost\r\nUser-Agent: tests\r\nAccept: */*\r\n\r\n\
                        GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn nginx() {
    spares_server(Nginx::start().port, REQUESTS);
}

#[test]
fn curl_before_nginx() {
    let nginx = Nginx::start();
    spares_client(nginx.port, &["curl", "--silent", "--include", "http://{address}/page.txt"]);
}

#[test]
fn the_web_server_of_python() {
    for protocol in ["HTTP/1.0", "HTTP/1.1"] {
        spares_server(HttpServer::start(protocol).port, REQUESTS);
    }
}

#[test]
fn curl_before_the_web_server_of_python() {
    for protocol in ["HTTP/1.0", "HTTP/1.1"] {
        let server = HttpServer::start(protocol);
        spares_client(server.port, &["curl", "--silent", "--include", "http://{address}/page.txt"]);
    }
}

/// A pipeline: the time of day in seconds and microseconds, and a number that grows with each connection.
#[test]
fn redis() {
    let commands = [&["PING"][..], &["SET", "key", "value"], &["GET", "key"], &["TIME"], &["CLIENT", "ID"], &["QUIT"]];
    let pipeline: String = commands.iter().map(|words| resp(words)).collect();
    spares_server(Redis::start().port, pipeline);
}

fn resp(words: &[&str]) -> String {
    let strings: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{strings}", words.len())
}

/// Its backends send their process id and a secret; the query adds the time and a value of random length.
#[test]
fn postgres() {
    let start_up = postgres_message(None, b"\x00\x03\x00\x00user\0postgres\0\0");
    let query = postgres_message(Some(b'Q'), b"SELECT 6 * 7, now(), random()\0");
    let terminate = postgres_message(Some(b'X'), b"");
    spares_server(Postgres::start().port, [start_up, query, terminate].concat());
}

#[test]
fn psql_before_postgres() {
    let postgres = Postgres::start();
    let server = format!("127.0.0.1:{}", postgres.port);
    // A clock of constant width: `now()` drops trailing zeros. With a column of another width, everything after it differs by
    // chance, which is sometimes inconclusive.
    let query = "SELECT 6 * 7 AS answer, to_char(now(), 'YYYY-MM-DD HH24:MI:SS.US')";
    // psql starts slowly: only its first parameters are cut at each byte, the bytes after them at random places.
    let cases = ["--to", &*server, "--output", "--depth", "128", "--cases", "40", "--"];
    let psql = ["psql", "-X", "-h", "{host}", "-p", "{port}", "-U", "postgres", "-c", query];
    spares(&[&cases[..], &psql].concat());
}

fn postgres_message(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a short message").to_be_bytes();
    kind.into_iter().chain(length).chain(body.iter().copied()).collect()
}

/// MQTT 3.1.1 and 5. In 5, the broker's first answer holds the random name that it assigns.
#[test]
fn mosquitto() {
    let broker = Mosquitto::start();
    let connect = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00";
    let subscribe = b"\x82\x09\x00\x01\x00\x04some\x01";
    let publish = b"\x32\x0e\x00\x05other\x00\x02hello";
    let (ping, disconnect) = (b"\xc0\x00", b"\xe0\x00");
    spares_server(broker.port, [&connect[..], subscribe, publish, ping, disconnect].concat());
    let connect = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00";
    let subscribe = b"\x82\x0a\x00\x01\x00\x00\x04some\x01";
    let publish = b"\x32\x0f\x00\x05other\x00\x02\x00hello";
    spares_server(broker.port, [&connect[..], subscribe, publish, ping, disconnect].concat());
}

#[test]
fn mosquitto_pub_before_mosquitto() {
    let broker = Mosquitto::start();
    let arguments = ["-h", "{host}", "-p", "{port}", "-t", "some", "-m", "hello", "-q", "2"];
    spares_client(broker.port, &[&["mosquitto_pub"], &arguments[..]].concat());
}

#[test]
fn socat_as_an_echo() {
    let (_echo, port) = socat_echo();
    spares_server(port, "what is said\r\ncomes back: äöü\r\n");
}
