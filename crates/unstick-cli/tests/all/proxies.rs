//! Connecting through real proxies: microsocks and tinyproxy.

use std::fs;

use tempfile::TempDir;

use crate::rig::{
    Process, free_port, listening, netcat, on_a_free_port, port_at_end, temporary, unstick, unstick_listen,
};

/// A SOCKS5 proxy.
pub(crate) fn microsocks(more: &[&str]) -> (Process, u16) {
    on_a_free_port_that_answers(|port| {
        netcat("microsocks", &[more, &["-i", "127.0.0.1", "-p", &port.to_string()]].concat())
    })
}

/// microsocks does not report when it is ready, so this tries to connect.
fn on_a_free_port_that_answers(start: impl Fn(u16) -> Process) -> (Process, u16) {
    let port = free_port();
    let process = start(port);
    let address = format!("127.0.0.1:{port}");
    let mut waits = unstick(&["connect", &address, "--retry", "20s", "--no-wait", "--send-hex", "00", "-f", "raw"]);
    assert_eq!(waits.code(), 0, "{}", waits.errors());
    (process, port)
}

/// An HTTP proxy that connects to any port.
pub(crate) fn tinyproxy(more: &str) -> (Process, u16, TempDir) {
    let directory = temporary();
    let file = directory.path().join("conf");
    let (process, port) = on_a_free_port("Accepting connections", |port| {
        let conf = format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 10\n{more}\n");
        fs::write(&file, conf).expect("a temporary file can be written");
        netcat("tinyproxy", &["-d", "-c", file.to_str().expect("temporary paths are text")])
    });
    (process, port, directory)
}

/// Tests everything that runs over TCP, through this proxy.
fn carries(proxy: &str) {
    let (_plain, port) = unstick_listen(&["127.0.0.1:0", "-f", "u32be", "--echo"]);
    asks(&[&format!("localhost:{port}"), "-f", "u32be", "--proxy", proxy, "over tcp"], "over tcp\n");
    let mut secure = listening(&["tls://127.0.0.1:0", "--self-signed", "--echo"]);
    let line = secure.error_line_with("fingerprint");
    let pin = line.rsplit(' ').next().expect("it ends the line");
    let port = port_at_end(&secure.error_line_with("listening on ")).expect("a port");
    asks(&[&format!("tls://localhost:{port}"), "--pin", pin, "--proxy", proxy, "over tls"], "over tls\n");
    let (_web, port) = unstick_listen(&["ws://127.0.0.1:0", "--echo"]);
    asks(&[&format!("ws://localhost:{port}"), "--proxy", proxy, "over ws"], "over ws\n");
    let mut raw = listening(&["127.0.0.1:0"]);
    let port = port_at_end(&raw.error_line_with("listening on ")).expect("a port");
    let mut pipe = unstick(&["connect", &format!("127.0.0.1:{port}"), "--proxy", proxy]);
    // A line each way before either side ends, because a proxy may not support half-close.
    pipe.feed("as it comes\n");
    assert_eq!(raw.line(), "as it comes");
    raw.feed("and back\n");
    assert_eq!(pipe.line(), "and back");
    pipe.end_input();
    raw.end_input();
    assert_eq!((raw.rest().as_str(), raw.code()), ("", 0));
    assert_eq!((pipe.rest().as_str(), pipe.code()), ("", 0));
}

#[track_caller]
fn asks(arguments: &[&str], reply: &str) {
    let mut asked = unstick(&[&["ask"], arguments].concat());
    assert_eq!((asked.rest().as_str(), asked.code()), (reply, 0), "{}", asked.errors());
}

#[track_caller]
fn fails(arguments: &[&str], told: &str) {
    let mut asked = unstick(&[&["ask"], arguments].concat());
    let code = asked.code();
    let said = asked.errors();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(told), "{said}");
}

#[test]
fn everything_over_tcp_goes_through_socks() {
    let (_proxy, port) = microsocks(&[]);
    carries(&format!("socks5://127.0.0.1:{port}"));
}

#[test]
fn everything_over_tcp_goes_through_an_http_proxy() {
    let (_proxy, port, _directory) = tinyproxy("");
    carries(&format!("http://127.0.0.1:{port}"));
}

#[test]
fn proxies_want_to_know_who_it_is() {
    let (_listener, target) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--echo"]);
    let target = format!("127.0.0.1:{target}");
    let (_socks, port) = microsocks(&["-u", "me", "-P", "s:cret"]);
    asks(&[&target, "--proxy", &format!("socks5://me:s%3Acret@127.0.0.1:{port}"), "hello"], "hello\n");
    fails(&[&target, "--proxy", &format!("socks5://127.0.0.1:{port}"), "x"], "wants another login than it is given");
    let wrong = format!("socks5://me:wrong@127.0.0.1:{port}");
    fails(&[&target, "--proxy", &wrong, "x"], "does not accept the user and password");
    let (_http, port, _directory) = tinyproxy("BasicAuth me secret");
    asks(&[&target, "--proxy", &format!("http://me:secret@127.0.0.1:{port}"), "hello"], "hello\n");
    fails(&[&target, "--proxy", &format!("http://127.0.0.1:{port}"), "x"], "wants a login");
}

#[test]
fn a_target_that_is_not_there_is_told_from_a_proxy_that_is_not() {
    let vacancy = crate::rig::Vacancy::new();
    let nowhere = vacancy.address.clone();
    let (_socks, port) = microsocks(&[]);
    let proxy = format!("socks5://127.0.0.1:{port}");
    fails(&[&nowhere, "--proxy", &proxy, "x"], "was refused by the target: nothing listens there");
    fails(
        &["localhost:9", "--proxy", &format!("socks5://{nowhere}"), "x"],
        &format!("cannot connect to the proxy socks5://{nowhere}"),
    );
}

#[test]
fn the_environment_is_asked_only_if_it_is_told_to() {
    let (_listener, target) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--echo"]);
    let target = format!("127.0.0.1:{target}");
    let vacancy = crate::rig::Vacancy::new();
    let run = |more: &[&str], except: &str| {
        let mut command = crate::rig::program();
        command.env("ALL_PROXY", format!("socks5://{}", vacancy.address.clone())).env("NO_PROXY", except);
        let mut asked = Process::start(command.args(["ask", &target, "hello"]).args(more));
        asked.code()
    };
    assert_eq!(run(&[], ""), 0);
    assert_eq!(run(&["--proxy", "env"], ""), 3);
    assert_eq!(run(&["--proxy", "env"], "127.0.0.1"), 0);
}

#[test]
fn clients_of_a_bridge_are_connected_through_a_proxy() {
    let (_listener, target) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--echo"]);
    let (_socks, port) = microsocks(&[]);
    let (to, proxy) = (format!("127.0.0.1:{target}"), format!("socks5://127.0.0.1:{port}"));
    let (_bridge, port) = unstick_listen(&["127.0.0.1:0", "--to", &to, "--proxy", &proxy]);
    asks(&[&format!("127.0.0.1:{port}"), "around the corner"], "around the corner\n");
}
