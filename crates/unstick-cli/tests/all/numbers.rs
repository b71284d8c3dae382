//! Numbers consist of digits only: `+5`, which the standard library reads as 5, is refused everywhere.

use crate::rig::{Terminal, unstick, unstick_listen};

/// Options, and an address that is not opened.
const REFUSED: &[&[&str]] = &[
    &["listen", "+8080"],
    &["listen", ":+8080"],
    &["listen", "127.0.0.1:+0"],
    &["listen", "[::1]:+0"],
    &["listen", "udp://:+9005"],
    &["listen", "ws://:+9005"],
    &["connect", "127.0.0.1", "+80"],
    &["connect", ":80", "--source", ":+90"],
    &["connect", ":80", "--source", "127.0.0.1:+9"],
    &["connect", ":80", "--proxy", "socks5://127.0.0.1:+9"],
    &["connect", ":80", "--proxy", "http://us%+1er:pass@127.0.0.1:9"],
    &["connect", ":80", "--count", "+5"],
    &["connect", ":80", "--deadline", "+5s"],
    &["connect", ":80", "--idle", "+5"],
    &["connect", ":80", "--linger", "+5s"],
    &["connect", ":80", "--retry", "+5s"],
    &["connect", ":80", "--connect-timeout", "+5s"],
    &["connect", ":80", "--keepalive", "+5s"],
    &["connect", ":80", "--frame-timeout", "+5s"],
    &["connect", "ws://:80", "--max-message", "+5M"],
    &["connect", "ws://:80", "--ping", "+5s"],
    &["connect", "ws://:80", "--close-code", "+1000"],
    &["connect", "udp://239.1.2.3:80", "--ttl", "+5"],
    &["connect", "udp://239.1.2.3:80", "--join", "+239.1.2.3"],
    &["listen", "udp://:0", "--max-sessions", "+5"],
    &["listen", "udp://:0", "--session-idle", "+5s"],
    &["listen", "udp://:0", "--echo", "--max-answers", "+5"],
    &["listen", ":0", "--max-peers", "+5"],
    &["listen", "unix:/nowhere/it", "--mode", "+600"],
    &["listen", ":0", "-f", "line,max=+5"],
    &["listen", ":0", "-f", "length:off=+1"],
    &["listen", ":0", "-f", "length:width=2,adj=+4"],
    &["listen", ":0", "-f", "length:width=2,mask=+ff"],
    &["listen", ":0", "--to", ":+80"],
    &["listen", ":0", "--to", ":80", "--fault", "loss=5%", "--seed", "+1"],
    &["listen", ":0", "--to", ":80", "--fault", "loss=+5%"],
    &["listen", ":0", "--to", ":80", "--fault", "delay=+5ms"],
    &["ask", ":80", "hello", "--deadline", "+5s"],
    &["shake", "--to", ":+9000", "--send", "x"],
    &["shake", "--to", ":9000", "--send", "x", "--cases", "+5"],
    &["shake", "--to", ":9000", "--send", "x", "--seed", "+5"],
    &["shake", "--to", ":9000", "--send", "x", "--jobs", "+5"],
    &["shake", "--to", ":9000", "--send", "x", "--depth", "+5"],
    &["shake", "--to", ":9000", "--send", "x", "--time", "+5s"],
    &["shake", "--to", ":9000", "--send", "x", "--case", "c2s:cut@+5"],
];

#[test]
fn a_plus_is_refused_wherever_a_number_is_typed() {
    for arguments in REFUSED {
        let mut process = unstick(arguments);
        process.end_input();
        let errors = process.errors();
        assert_eq!(process.code(), 2, "{arguments:?}: {errors}");
    }
}

#[test]
fn a_plus_is_refused_in_commands_too() {
    let (mut listener, _) = unstick_listen(&["127.0.0.1:0", "--json"]);
    listener.line();
    for command in
        ["{\"close\":+1}", "{\"to\":+1,\"text\":\"x\"}", "{\"close\":\"+1\"}", "{\"to\":\"+1\",\"text\":\"x\"}"]
    {
        listener.feed(format!("{command}\n"));
        let event = listener.line();
        assert!(event.contains("\"error\"") && event.contains("standard input: "), "{command}: {event}");
    }
    let mut terminal = Terminal::unstick(&["listen", "127.0.0.1:0"], 100);
    terminal.shows("listening on");
    terminal.types("/close +1\r");
    terminal.shows("/close +1: that is not a peer's number");
    terminal.types("/to +1\r");
    terminal.shows("/to needs a peer");
}
