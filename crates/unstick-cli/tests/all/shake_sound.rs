//! Correct programs that are hard to test: slow to answer, quick to close, limited, random, or unable to answer once
//! the client has half-closed. `shake` must not accuse them, with half-close or without.
//!
//! `./soak spares` repeats each run twenty times; here each runs as often as [`runs`] says.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::{Nginx, Process, Redis, Server, certificate, program, python_of_packages, script, sound, temporary};

/// Longer than any of these takes, even during a build; and during three of them.
const PATIENCE: Duration = Duration::from_secs(110);
const LONG_PATIENCE: Duration = Duration::from_secs(900);

/// Runs of each, with half-close and without.
fn runs() -> usize {
    std::env::var("SHAKE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1)
}

/// Shakes a program as often as [`runs`] says, and collects the reports. `shake` may not accuse it.
struct Spared {
    name: &'static str,
    /// Verdicts of one way to run it, in order.
    verdicts: Vec<(String, Vec<String>)>,
    story: String,
}

impl Spared {
    fn new(name: &'static str) -> Spared {
        Spared { name, verdicts: Vec::new(), story: String::new() }
    }

    /// A server that gets these bytes, with half-close and without.
    fn server(mut self, port: u16, more: &[&str], bytes: impl AsRef<[u8]>) -> Spared {
        let to = format!("127.0.0.1:{port}");
        let hex = hex(bytes.as_ref());
        let arguments = [&["--to", &to, "--send-hex", &hex], more].concat();
        self.shake("half-close", &arguments);
        self.shake("no half-close", &[&["--no-half-close"], &arguments[..]].concat());
        self
    }

    /// A client of a server; its output is compared.
    fn client(mut self, port: u16, more: &[&str], command: &[&str]) -> Spared {
        let to = format!("127.0.0.1:{port}");
        self.shake("client", &[&["--to", &*to, "--output"], more, &["--"], command].concat());
        self
    }

    /// A program on pipes, with half-close; if each runs more than once, without it too. These take seconds to start.
    fn pipes(mut self, sends: &[&str], command: &[&str]) -> Spared {
        let arguments = [&["--stdio", "--timeout", "30s"], sends, &["--"], command].concat();
        self.shake("half-close", &arguments);
        if runs() > 1 {
            self.shake("no half-close", &[&["--no-half-close"], &arguments[..]].concat());
        }
        self
    }

    fn shake(&mut self, way: &str, arguments: &[&str]) {
        let (mut verdicts, mut slowest) = (Vec::new(), Duration::ZERO);
        let patience = if runs() > 1 { LONG_PATIENCE } else { PATIENCE };
        for _ in 0..runs() {
            let begun = Instant::now();
            let mut shake = Process::start(program().args(["shake", "--json"]).args(arguments)).patient(patience);
            let said = shake.rest();
            let report: Value = serde_json::from_str(&said).unwrap_or(Value::Null);
            let verdict = report["verdict"].as_str().unwrap_or("none").to_owned();
            if verdict != "same" {
                let _ =
                    writeln!(self.story, "{} ({way}, {:?}) is {verdict}, {}", self.name, begun.elapsed(), shake.code());
                let _ = writeln!(self.story, "unstick shake {}", quoted(arguments));
                let _ = writeln!(self.story, "{:#}\n{}\n", shortened(report), shake.errors());
            }
            verdicts.push(verdict);
            slowest = slowest.max(begun.elapsed());
        }
        let way = format!("{way}, {} ms at most", slowest.as_millis());
        self.verdicts.push((way, verdicts));
    }

    /// Fails if a program was accused, or if no run of `shake` had a verdict.
    #[allow(clippy::print_stdout)] // `./soak spares` shows the tables.
    fn never_accused(self) {
        let every = self.table();
        println!("{every}");
        if let Ok(folder) = std::env::var("SHAKE_STORIES") {
            let text = format!("{every}\n{}", self.story);
            std::fs::write(format!("{folder}/{}", self.name), text).expect("a story can be written");
        }
        let accused = |verdict: &String| verdict != "same" && verdict != "inconclusive";
        assert!(!self.verdicts.iter().any(|(_, all)| all.iter().any(accused)), "{every}\n{}", self.story);
    }

    /// The same, and each verdict is "same".
    fn same_everywhere(self) {
        let every = self.table();
        let sure = self.verdicts.iter().all(|(_, all)| all.iter().all(|verdict| verdict == "same"));
        let story = self.story.clone();
        self.never_accused();
        assert!(sure, "{every}\n{story}");
    }

    fn table(&self) -> String {
        let mut table = String::new();
        for (way, verdicts) in &self.verdicts {
            let count = |name: &str| verdicts.iter().filter(|verdict| *verdict == name).count();
            let _ = writeln!(
                table,
                "{:<20} {way:<30} {} same, {} inconclusive, {} broken, {} without a report",
                self.name,
                count("same"),
                count("inconclusive"),
                count("broken"),
                count("none")
            );
        }
        table
    }
}

/// A report without what makes it long.
fn shortened(mut report: Value) -> Value {
    for finding in report["findings"].as_array_mut().into_iter().flatten() {
        if let Some(failing) = finding["failing"].as_array_mut() {
            failing.truncate(12);
        }
    }
    report
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect::<Vec<_>>().join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn python() -> &'static str {
    python_of_packages().to_str().expect("a path is text")
}

// ---- web servers ----

const PAGE: &str = "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ECHO: &str = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn aiohttp() {
    let (_server, port) = script("aiohttp_server.py", &[]);
    Spared::new("aiohttp").server(port, &[], PAGE).server(port, &[], ECHO).same_everywhere();
}

#[test]
fn tornado() {
    let (_server, port) = script("tornado_server.py", &[]);
    Spared::new("Tornado").server(port, &[], PAGE).server(port, &[], ECHO).same_everywhere();
}

#[test]
fn node_http() {
    let (_server, port) = script("node_http.js", &[]);
    Spared::new("Node http").server(port, &[], PAGE).server(port, &[], ECHO).same_everywhere();
}

#[test]
fn gunicorn() {
    let server = Server::gunicorn();
    Spared::new("gunicorn").server(server.port, &[], PAGE).server(server.port, &[], ECHO).same_everywhere();
}

#[test]
fn uvicorn() {
    let server = Server::uvicorn();
    Spared::new("uvicorn").server(server.port, &[], PAGE).server(server.port, &[], ECHO).same_everywhere();
}

#[test]
fn haproxy() {
    let nginx = Nginx::start();
    let server = Server::haproxy(&nginx);
    let page = PAGE.replace("/page", "/page.txt");
    Spared::new("HAProxy").server(server.port, &[], page).same_everywhere();
}

/// A client of the same package: it waits for the upgrade, as it must. Keys and masks are random.
#[test]
fn websockets() {
    let (_server, port) = script("websockets_server.py", &[]);
    let client = sound("websockets_client.py");
    let command = [python(), client.to_str().expect("a path is text"), "{address}"];
    let limited = ["--depth", "2", "--cases", "4"];
    Spared::new("websockets").client(port, &limited, &command).same_everywhere();
}

// ---- lines ----

#[test]
fn twisted_lines() {
    let (_server, port) = script("twisted_lines.py", &[]);
    Spared::new("Twisted lines").server(port, &[], "hello\r\nworld\r\n").same_everywhere();
    let (_server, port) = script("twisted_lines.py", &[]);
    Spared::new("Twisted lines, quit").server(port, &[], "hello\r\nquit\r\n").never_accused();
}

#[test]
fn a_protocol_of_asyncio() {
    let (_server, port) = script("asyncio_protocol.py", &[]);
    Spared::new("asyncio Protocol").server(port, &[], "hello\nworld\n").same_everywhere();
}

#[test]
fn node_net() {
    let (_server, port) = script("node_net.js", &[]);
    Spared::new("Node net").server(port, &[], "hello\nwörld\n").same_everywhere();
}

#[test]
fn a_server_with_a_limit_of_connections_a_second() {
    let (_server, port) = script("rate_limited.py", &["20"]);
    Spared::new("rate limit").server(port, &[], "hello\nworld\n").never_accused();
}

#[test]
fn a_server_that_answers_and_closes() {
    let (_server, port) = script("answers_and_closes.py", &[]);
    Spared::new("answers and closes").server(port, &[], "hello\n").server(port, &[], "hello\nworld\n").never_accused();
    let (_server, port) = script("time_of_day.py", &[]);
    Spared::new("time of day").server(port, &[], "now\n").never_accused();
}

// ---- mail, directories, files ----

#[test]
fn dovecot() {
    let commands = "a LOGIN somebody secret\r\nb SELECT INBOX\r\nc LOGOUT\r\n";
    let server = Server::dovecot();
    Spared::new("Dovecot, starting").server(server.port, &[], commands).never_accused();
    let server = Server::dovecot().greets("ready.");
    Spared::new("Dovecot").server(server.port, &[], commands).never_accused();
    Spared::new("Dovecot, no logout").server(server.port, &[], &commands[..40]).never_accused();
}

#[test]
fn exim() {
    let commands = "EHLO localhost\r\nMAIL FROM:<a@localhost>\r\nRCPT TO:<b@localhost>\r\nQUIT\r\n";
    let server = Server::exim(false);
    Spared::new("Exim").server(server.port, &["--depth", "1", "--cases", "20"], commands).same_everywhere();
    let server = Server::exim(true);
    Spared::new("Exim, strict").server(server.port, &["--depth", "1", "--cases", "20"], commands).never_accused();
}

#[test]
fn slapd() {
    let server = Server::ldap();
    let bind = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0";
    let search = b"\x30\x25\x02\x01\x02\x63\x20\x04\0\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\x01\0\x01\x01\0\x87\x0bobjectClass\x30\0";
    let unbind = b"\x30\x05\x02\x01\x03\x42\0";
    let asked = [&bind[..], search].concat();
    Spared::new("slapd").server(server.port, &[], &asked).same_everywhere();
    Spared::new("slapd, unbind").server(server.port, &[], [&asked[..], unbind].concat()).never_accused();
}

#[test]
fn pyftpdlib() {
    let folder = temporary();
    let (_server, port) = script("ftp_server.py", &[folder.path().to_str().expect("a path is text")]);
    let commands = "USER anonymous\r\nPASS me@\r\nSYST\r\nPWD\r\nQUIT\r\n";
    Spared::new("FTP").server(port, &[], commands).same_everywhere();
}

// ---- brokers, caches, databases ----

#[test]
fn rabbitmq() {
    let server = Server::rabbitmq();
    let method = |class: u16, method: u16, arguments: &[u8]| {
        let payload = [&class.to_be_bytes(), &method.to_be_bytes(), arguments].concat();
        [&[1, 0, 0], &(payload.len() as u32).to_be_bytes()[..], &payload, &[0xce]].concat()
    };
    let start_ok = [&[0, 0, 0, 0][..], b"\x05PLAIN", b"\0\0\0\x0c\0guest\0guest", b"\x05en_US"].concat();
    let frames = [
        b"AMQP\0\0\x09\x01".to_vec(),
        method(10, 11, &start_ok),
        method(10, 31, b"\x07\xff\0\x02\0\0\0\x3c"),
        method(10, 40, b"\x01/\0\0"),
        method(10, 50, b"\0\xc8\0\0\0\0\0"),
    ];
    Spared::new("RabbitMQ").server(server.port, &["--depth", "1", "--cases", "30"], frames.concat()).same_everywhere();
}

#[test]
fn nats() {
    let server = Server::nats();
    let commands = "CONNECT {\"verbose\":true}\r\nSUB news 1\r\nPUB news 5\r\nhello\r\nPING\r\n";
    Spared::new("NATS").server(server.port, &[], commands).same_everywhere();
}

#[test]
fn memcached() {
    let server = Server::memcached();
    let commands = "set greeting 0 60 5\r\nhello\r\nget greeting\r\nget nothing\r\n";
    Spared::new("memcached").server(server.port, &[], commands).same_everywhere();
    let commands = "get nothing\r\nquit\r\n";
    Spared::new("memcached, quit").server(server.port, &[], commands).same_everywhere();
}

#[test]
fn mariadb() {
    let server = Server::mariadb();
    let packet = |number: u8, body: &[u8]| [&(body.len() as u32).to_le_bytes()[..3], &[number], body].concat();
    let login =
        [&0x0008_8201u32.to_le_bytes()[..], &[0, 0, 0, 1, 8], &[0; 23], b"root\0\0mysql_native_password\0"].concat();
    let packets = [packet(1, &login), packet(0, b"\x03SELECT 6 * 7"), packet(0, b"\x01")].concat();
    Spared::new("MariaDB").server(server.port, &[], packets).same_everywhere();
    let query = ["-u", "root", "-e", "SELECT 6 * 7 AS answer"];
    let mysql = [&["mysql", "--no-defaults", "--protocol", "tcp", "-h", "{host}", "-P", "{port}"], &query[..]].concat();
    Spared::new("mysql").client(server.port, &["--depth", "16", "--cases", "20"], &mysql).same_everywhere();
}

// ---- clients ----

#[test]
fn curl_and_wget() {
    let nginx = Nginx::start();
    let limited = ["--depth", "32", "--cases", "20"];
    let url = "http://{address}/page.txt";
    Spared::new("curl").client(nginx.port, &limited, &["curl", "-si", url]).same_everywhere();
    Spared::new("wget").client(nginx.port, &limited, &["wget", "-qO", "-", url]).same_everywhere();
    let (_server, port) = script("aiohttp_server.py", &[]);
    let url = "http://{address}/page";
    Spared::new("curl, aiohttp").client(port, &limited, &["curl", "-s", url]).same_everywhere();
}

#[test]
fn redis_cli() {
    let redis = Redis::start();
    let command = ["redis-cli", "-h", "{host}", "-p", "{port}", "LRANGE", "nothing", "0", "-1"];
    Spared::new("redis-cli").client(redis.port, &["--depth", "64"], &command).same_everywhere();
}

#[test]
fn openssl_s_client() {
    let papers = certificate();
    let at = |name: &str| papers.path().join(name).to_str().expect("a path is text").to_owned();
    let (_server, port) = script("tls_server.py", &[&at("cert.pem"), &at("key.pem")]);
    let client = "printf 'hello\\nquit\\n' | openssl s_client -quiet -connect {address} 2>/dev/null";
    // It starts slowly, and a TLS handshake is random. `shake` compares its records, whose number and lengths do not change.
    let limited = ["--depth", "4", "--cases", "6"];
    Spared::new("openssl s_client").client(port, &limited, &["sh", "-c", client]).same_everywhere();
}

// ---- pipes ----

#[test]
fn a_server_of_the_model_context_protocol() {
    let server = sound("mcp_server.py");
    let sends = [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"tests","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","arguments":{"a":2,"b":3}}}"#,
    ];
    let cases = ["--case", "c2s:cut@170"];
    let sends = [&["-f", "line", "--send", sends[0], "--send", sends[1], "--send", sends[2]], &cases[..]].concat();
    let command = [python(), server.to_str().expect("a path is text")];
    Spared::new("MCP").pipes(&sends, &command).never_accused();
}

#[test]
fn python_lsp_server() {
    let cache = temporary();
    let cache = format!("XDG_CACHE_HOME={}", cache.path().display());
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#;
    let shutdown = r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#;
    let cases = ["--case", "c2s:cut@5", "--case", "c2s:join@0..end"];
    let sends = [&["-f", "lsp", "--send", initialize, "--send", shutdown], &cases[..]].concat();
    Spared::new("python-lsp-server").pipes(&sends, &["env", &cache, python(), "-m", "pylsp"]).same_everywhere();
}
