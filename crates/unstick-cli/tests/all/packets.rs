//! Tests the view for Wireshark: `--record FILE.pcapng` and `decode --pcapng`, read by the real `tshark`.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::rig::{Dns, HttpServer, Mosquitto, Postgres, Process, Redis, port_at_end, program, temporary, unstick};

/// What tshark prints of a file, with every checksum verified.
fn tshark(path: &Path, arguments: &[&str]) -> String {
    let checked = ["tcp", "ip", "udp"].map(|layer| format!("{layer}.check_checksum:TRUE"));
    let options = checked.iter().flat_map(|option| ["-o", option]);
    let out = Command::new("tshark").arg("-r").arg(path).args(options).args(arguments).output().unwrap();
    let errors = String::from_utf8(out.stderr).unwrap();
    let complaints = errors.lines().filter(|line| !line.contains("as user \"root\"")).collect::<Vec<_>>();
    assert!(out.status.success() && complaints.is_empty(), "{complaints:?}");
    String::from_utf8(out.stdout).unwrap()
}

/// These fields of every packet that the filter takes.
fn fields(path: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let fields = fields.iter().flat_map(|field| ["-e", field]);
    let arguments = ["-Y", filter, "-T", "fields", "-E", "separator=|"].into_iter().chain(fields).collect::<Vec<_>>();
    tshark(path, &arguments).lines().map(str::to_owned).collect()
}

/// What tshark warns of.
fn warnings(path: &Path) -> String {
    tshark(path, &["-q", "-z", "expert,warn"])
}

/// A folder with both kinds of recordings of what a client says to a server through a bridge: `.pcapng` of the first time, and
/// lines of the second, which `decode --pcapng` turns into packets.
fn recorded(framing: &str, server: u16, client: impl Fn(u16)) -> (TempDir, [PathBuf; 2]) {
    let folder = temporary();
    let to = format!("127.0.0.1:{server}");
    let paths = ["live.pcapng", "session.jsonl", "view.pcapng"].map(|name| folder.path().join(name));
    for path in &paths[..2] {
        let record = ["--record", path.to_str().unwrap()];
        let mut bridge = unstick(&[&["listen", "127.0.0.1:0", "--to", &to, "-f", framing], &record[..]].concat());
        let line = bridge.error_line_with("listening on ");
        client(port_at_end(line.split(" for ").next().unwrap()).unwrap());
        bridge.signal(Signal::TERM);
        bridge.code();
    }
    assert_eq!(view(&paths[1], &paths[2]), (String::new(), 0));
    let [live, _, view] = paths;
    for path in [&live, &view] {
        assert_eq!(warnings(path), "", "{}", path.display());
    }
    (folder, [live, view])
}

/// The errors and the status of `decode --pcapng`.
fn view(recording: &Path, to: &Path) -> (String, i32) {
    let mut process = Process::start(program().arg("decode").arg(recording).arg("--pcapng").arg(to));
    (process.errors(), process.code())
}

fn ran(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn redis_is_dissected_in_both_directions() {
    let redis = Redis::start();
    let (_folder, paths) = recorded("redis", redis.port, |port| {
        assert_eq!(ran("redis-cli", &["-p", &port.to_string(), "ECHO", "hello"]), "hello\n");
    });
    for path in &paths {
        let seen = fields(path, "resp", &["tcp.srcport", "tcp.dstport", "_ws.col.Info"]);
        let client = seen[0].split('|').next().unwrap();
        assert_eq!(seen, [format!("{client}|6379|Request: ECHO hello"), format!("6379|{client}|Response: hello")]);
        let comments = fields(path, "frame.comment", &["frame.number", "frame.comment"]);
        assert!(comments.len() == 1 && comments[0].ends_with("shown as 6379"), "{comments:?}");
    }
}

#[test]
fn postgres_is_dissected_in_both_directions() {
    let postgres = Postgres::start();
    let (_folder, paths) = recorded("postgres", postgres.port, |port| {
        let port = port.to_string();
        let to = ["-X", "-At", "-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        assert_eq!(ran("psql", &[&to[..], &["-c", "SELECT 6 * 7"]].concat()), "42\n");
    });
    for path in &paths {
        let query = fields(path, "pgsql.query", &["tcp.dstport", "pgsql.query"]);
        assert_eq!(query, ["5432|SELECT 6 * 7"]);
        let row = fields(path, "pgsql.val.data", &["tcp.srcport", "pgsql.val.data"]);
        assert_eq!(row, ["5432|3432"]); // "42"
    }
}

#[test]
fn mqtt_is_dissected_in_both_directions() {
    let broker = Mosquitto::start();
    let (_folder, paths) = recorded("mqtt", broker.port, |port| {
        let port = port.to_string();
        ran("mosquitto_pub", &["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", "room", "-m", "21.5"]);
    });
    for path in &paths {
        assert_eq!(fields(path, "mqtt.topic", &["tcp.dstport", "mqtt.topic"]), ["1883|room"]);
        // CONNACK and PUBACK.
        assert_eq!(fields(path, "mqtt && tcp.srcport == 1883", &["mqtt.msgtype"]), ["2", "4"]);
    }
}

#[test]
fn dns_is_dissected_in_both_directions() {
    let dns = Dns::start();
    let query = "30390100000100000000000007657861 6d706c650000010001".replace(' ', "");
    let (_folder, paths) = recorded("dns", dns.port, |port| {
        let mut client =
            unstick(&["connect", &format!("127.0.0.1:{port}"), "-f", "dns", "-n", "1", "--send-hex", &query]);
        assert_eq!(client.code(), 0, "{}", client.errors());
    });
    for path in &paths {
        let seen = fields(path, "dns", &["tcp.srcport", "tcp.dstport", "dns.qry.name", "dns.flags.response"]);
        let client = seen[0].split('|').next().unwrap();
        assert_eq!(seen, [format!("{client}|53|example|0"), format!("53|{client}|example|1")]);
    }
}

#[test]
fn http_is_dissected_in_both_directions() {
    let server = HttpServer::start("HTTP/1.1");
    let (_folder, paths) = recorded("http", server.port, |port| {
        ran("curl", &["--silent", "--fail", &format!("http://127.0.0.1:{port}/")]);
    });
    for path in &paths {
        assert_eq!(fields(path, "http.request", &["tcp.dstport", "http.request.method"]), ["80|GET"]);
        assert_eq!(fields(path, "http.response", &["tcp.srcport", "http.response.code"]), ["80|200"]);
    }
}

#[test]
fn datagrams_over_ipv6_are_udp_with_right_checksums() {
    let folder = temporary();
    let path = folder.path().join("session.pcapng");
    let record = ["--record", path.to_str().unwrap()];
    let mut server = unstick(&[&["listen", "udp://[::1]:0", "--echo", "--no-stdin"], &record[..]].concat());
    let port = port_at_end(&server.error_line_with("listening on ")).unwrap();
    for text in ["hello", "even", ""] {
        let mut client = unstick(&["ask", &format!("udp://[::1]:{port}"), text]);
        assert_eq!((client.rest(), client.code()), (format!("{text}\n"), 0));
    }
    server.signal(Signal::TERM);
    server.code();
    let seen = fields(&path, "udp", &["ipv6.src", "udp.checksum.status", "udp.length"]);
    assert_eq!(seen, ["::1|1|13", "::1|1|13", "::1|1|12", "::1|1|12", "::1|1|8", "::1|1|8"]);
}

/// A recording with these lines behind the first.
fn written(folder: &Path, lines: &[&str]) -> PathBuf {
    let path = folder.join("session.jsonl");
    let head = r#"{"event":"recording","version":1,"framing":"line","time":"2026-11-28T01:00:00Z"}"#;
    fs::write(&path, [&[head], lines].concat().join("\n") + "\n").unwrap();
    path
}

const OPEN: &str =
    r#"{"event":"open","peer":1,"from":"192.0.2.1:4000","to":"192.0.2.2:7","protocol":"tcp","carries":"bytes"}"#;

#[test]
fn ends_resets_and_gaps_are_where_they_were() {
    let folder = temporary();
    let path = written(
        folder.path(),
        &[
            OPEN,
            r#"{"event":"segment","peer":1,"direction":"c2s","text":"one\n"}"#,
            r#"{"event":"lost","peer":1,"direction":"c2s","bytes":1000,"events":2}"#,
            r#"{"event":"segment","peer":1,"direction":"c2s","text":"two\n"}"#,
            r#"{"event":"end","peer":1,"direction":"c2s"}"#,
            r#"{"event":"segment","peer":1,"direction":"s2c","text":"yes\n"}"#,
            r#"{"event":"reset","peer":1,"direction":"s2c"}"#,
            r#"{"event":"segment","peer":1,"direction":"c2s","text":"after that nothing comes\n"}"#,
            r#"{"event":"close","peer":1}"#,
        ],
    );
    let to = folder.path().join("view.pcapng");
    assert_eq!(view(&path, &to), (String::new(), 0));
    let seen = fields(&to, "tcp", &["tcp.srcport", "tcp.flags", "tcp.seq", "tcp.len", "frame.comment"]);
    let lost = "before this, 1000 bytes of the client were not recorded";
    let wanted = [
        "4000|0x0002|0|0|".to_owned(),
        "7|0x0012|0|0|".to_owned(),
        "4000|0x0010|1|0|".to_owned(),
        "4000|0x0018|1|4|".to_owned(),
        format!("4000|0x0018|1005|4|{lost}"),
        "4000|0x0011|1009|0|".to_owned(),
        "7|0x0010|1|0|".to_owned(),
        "7|0x0018|1|4|".to_owned(),
        "7|0x0014|5|0|".to_owned(),
    ];
    assert_eq!(seen, wanted);
    assert!(warnings(&to).contains("Previous segment(s) not captured"), "the gap is seen");
}

#[test]
fn what_has_no_ip_addresses_gets_some_and_says_so() {
    let folder = temporary();
    let open = r#"{"event":"open","peer":7,"from":"pid 12","to":"unix:/run/x","protocol":"unix","carries":"bytes"}"#;
    let long = format!(r#"{{"event":"segment","peer":7,"direction":"s2c","text":"{}"}}"#, "x".repeat(3 << 20));
    let path = written(folder.path(), &[open, &long]);
    let to = folder.path().join("view.pcapng");
    assert_eq!(view(&path, &to), (String::new(), 0));
    assert_eq!(warnings(&to), "");
    let seen = fields(&to, "frame.number == 1", &["ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "frame.comment"]);
    let comment = "unix: what is inside it; pid 12 to unix:/run/x: these addresses are made up";
    assert_eq!(seen, [format!("127.0.0.2|20007|127.0.0.3|9999|{comment}")]);
    let lengths = fields(&to, "tcp.len > 0", &["tcp.len"]);
    assert_eq!(lengths.iter().map(|length| length.parse::<usize>().unwrap()).sum::<usize>(), 3 << 20);
    assert_eq!(fields(&to, "tcp.srcport == 20007 && tcp.ack > 1", &["tcp.ack"]).len(), 2, "it acknowledges on the way");
}

#[test]
fn what_is_no_recording_or_no_file_is_refused() {
    let folder = temporary();
    let text = folder.path().join("bytes");
    fs::write(&text, "hello\n").unwrap();
    let (errors, code) = view(&text, &folder.path().join("view.pcapng"));
    assert!(code == 2 && errors.contains("--pcapng writes recordings as packets"), "{errors}");
    let path = written(folder.path(), &[OPEN]);
    let (errors, code) = view(&path, Path::new("/nowhere/view.pcapng"));
    assert!(code == 2 && errors.contains("/nowhere/view.pcapng: no such file or directory"), "{errors}");
    let mut process = Process::start(program().arg("decode").arg(&path).args(["--pcapng", "-", "--connection", "9"]));
    assert!(process.code() == 1 && process.errors().contains("no connections that these options take"));
}
