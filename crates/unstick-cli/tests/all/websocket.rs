//! WebSocket with Python's `websockets` at the other end: how a run ends, and how a bridge forwards it.

use rustix::process::Signal;

use crate::rig::{Peer, Process, listening, port_at_end, python_with_packages, unstick, unstick_listen};

/// A server that prints its port and echoes each message. Its first message describes the request that it got.
const SERVER: &str = "
import asyncio, sys
from websockets.asyncio.server import serve

async def handler(ws):
    await ws.send(f'{ws.request.path} {ws.subprotocol} {ws.request.headers.get(\"X-Who\")}')
    async for message in ws:
        if message == 'ping me':
            await (await ws.ping())
        elif message == 'in parts':
            await ws.send(['in ', 'three ', 'parts'])
        elif message == 'go away':
            await ws.close(4000, 'because')
        elif isinstance(message, bytes):
            await ws.send(message[::-1])
        else:
            await ws.send(message.upper())

async def main():
    async with serve(handler, '127.0.0.1', 0, subprotocols=['chat'] if len(sys.argv) > 1 else None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.wait_closed()

asyncio.run(main())
";

/// A client that sends each line of its input, and prints what arrives and how it was closed.
const CLIENT: &str = "
import asyncio, sys
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

async def main():
    options = {'origin': sys.argv[2]} if len(sys.argv) > 2 else {}
    async with connect(sys.argv[1], **options) as ws:
        loop = asyncio.get_running_loop()
        async def receive():
            try:
                while True:
                    message = await ws.recv()
                    print(type(message).__name__, message, flush=True)
            except ConnectionClosed:
                print('closed', ws.close_code, ws.close_reason, flush=True)
        receiving = asyncio.create_task(receive())
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            await ws.send(line.rstrip('\\n'))
        await ws.close(3000, 'enough')
        await receiving

asyncio.run(main())
";

fn server(arguments: &[&str]) -> (Process, String) {
    let mut server = python_with_packages(SERVER, arguments);
    let port = port_at_end(&server.line()).expect("the script names its port");
    (server, format!("ws://127.0.0.1:{port}"))
}

#[test]
fn python_listens() {
    let (_server, address) = server(&["with a subprotocol"]);
    let mut client = unstick(&[
        "connect",
        &format!("{address}/a/path?q"),
        "--subprotocol",
        "chat",
        "--header",
        "X-Who: a test",
        "--io",
        "line",
        "-v",
    ]);
    assert_eq!(client.line(), "/a/path?q chat a test");
    for (sent, answer) in [("hello", "HELLO"), ("grüße", "GRÜSSE"), ("in parts", "in three parts")] {
        client.feed(format!("{sent}\n"));
        assert_eq!(client.line(), answer);
    }
    client.feed("ping me\nafter the ping\n");
    assert_eq!(client.line(), "AFTER THE PING");
    let much = "x".repeat(1_000_000);
    client.feed(format!("{much}\n"));
    assert_eq!(client.line(), much.to_uppercase());
    client.end_input();
    assert_eq!(client.code(), 0);
    let said = client.errors();
    assert!(said.contains("a WebSocket with the subprotocol chat"), "{said}");
    assert!(said.contains("closed the WebSocket: 1000, normal"), "{said}");
}

#[test]
fn bytes_and_text_are_told_apart_by_their_peer() {
    let (_server, address) = server(&[]);
    let run = |more: &[&str]| {
        let mut client =
            unstick(&[&["connect", &address, "--io", "escaped", "--count", "2", "--send"][..], more].concat());
        client.line();
        (client.line(), client.code())
    };
    assert_eq!(run(&["abc"]), ("ABC".to_owned(), 0));
    assert_eq!(run(&["abc", "--binary"]), ("cba".to_owned(), 0));
    let mut client = unstick(&["connect", &address, "--io", "hex", "--count", "2", "--send-hex", "00ff"]);
    client.line();
    assert_eq!((client.line(), client.code()), ("ff00".to_owned(), 0));
}

#[test]
fn what_came_as_a_binary_message_is_told_and_passed_on_as_one() {
    let (_server, address) = server(&[]);
    for faults in [&[][..], &["--fault", "s2c:reorder=0%", "--fault", "delay=1ms"]] {
        let (_bridge, port) = unstick_listen(&[&["ws://127.0.0.1:0", "--to", &address][..], faults].concat());
        let bridge = format!("ws://127.0.0.1:{port}");
        for (more, answer, binary) in [(&[][..], "ABC", false), (&["--binary"], "cba", true)] {
            let arguments = ["connect", &bridge, "--json", "--count", "2", "--send", "abc"];
            let mut client = unstick(&[&arguments, more].concat());
            let events = client.rest();
            assert_eq!(client.code(), 0, "{}", client.errors());
            assert!(events.contains("\"binary\":false,\"text\":\"/ None None\""), "{events}");
            assert!(events.contains(&format!("\"binary\":{binary},\"text\":\"{answer}\"")), "{faults:?}: {events}");
        }
    }
    let (_echo, port) = unstick_listen(&["ws://127.0.0.1:0", "--echo"]);
    for (more, binary) in [(&[][..], false), (&["--binary"], true)] {
        let address = format!("ws://127.0.0.1:{port}");
        let mut client = unstick(&[&["connect", &address, "--json", "--count", "1", "--send", "abc"], more].concat());
        let events = client.rest();
        assert!(events.contains(&format!("\"binary\":{binary},\"text\":\"abc\"")), "{events}");
    }
}

#[test]
fn only_text_is_sent_where_that_is_asked() {
    let (_server, address) = server(&[]);
    let mut client = unstick(&["connect", &address, "--text", "--io", "escaped", "--count", "2"]);
    assert_eq!(client.line(), "/ None None");
    client.feed("gr\\xc3\\xbcn\n");
    assert_eq!((client.line().as_str(), client.code()), ("GR\u{dc}N", 0));
    let mut client = unstick(&["connect", &address, "--text", "--io", "escaped"]);
    assert_eq!(client.line(), "/ None None");
    client.feed("\\xff\n");
    let code = client.code();
    let said = client.errors();
    let told = "unstick: the message is not UTF-8, which text has to be\n  hint: without --text, unstick sends such a message as a binary message\n";
    assert_eq!((code, said.as_str()), (1, told));
}

#[test]
fn the_code_that_a_peer_closed_with_is_in_the_error() {
    let (_server, address) = server(&[]);
    let mut client = unstick(&["connect", &address, "--send", "go away"]);
    assert_eq!(client.code(), 1);
    let said = client.errors();
    assert!(said.contains("the peer closed the WebSocket: 4000, a code of its own (\"because\")"), "{said}");
}

#[test]
fn python_connects() {
    let (mut listener, port) = unstick_listen(&["ws://127.0.0.1:0", "--io", "line", "--once", "-v"]);
    let mut client = python_with_packages(CLIENT, &[&format!("ws://localhost:{port}/here")]);
    client.feed("from python\n");
    assert_eq!(listener.line(), "from python");
    listener.feed("to python\n");
    assert_eq!(client.line(), "str to python");
    client.end_input();
    assert_eq!(client.line(), "closed 3000 enough");
    assert_eq!(listener.code(), 1);
    let said = listener.errors();
    assert!(said.contains("the peer closed the WebSocket: 3000, unauthorized (\"enough\")"), "{said}");
}

#[test]
fn this_end_closes_when_it_has_nothing_more_to_say_and_nothing_comes() {
    let (mut listener, port) = unstick_listen(&["ws://127.0.0.1:0", "--io", "line", "--linger", "200ms"]);
    let mut client = python_with_packages(CLIENT, &[&format!("ws://localhost:{port}")]);
    client.feed("hello\n");
    assert_eq!(listener.line(), "hello");
    listener.feed("the last\n");
    listener.end_input();
    assert_eq!(client.line(), "str the last");
    assert_eq!(client.line(), "closed 1000 ");
    assert_eq!((listener.rest().as_str(), listener.code()), ("", 0));
}

#[test]
fn a_page_comes_in_only_where_its_origin_may() {
    let (mut listener, port) = unstick_listen(&["ws://127.0.0.1:0", "--echo", "--origin", "https://good.test"]);
    let address = format!("ws://localhost:{port}");
    let mut good = python_with_packages(CLIENT, &[&address, "https://good.test"]);
    good.feed("hello\n");
    assert_eq!(good.line(), "str hello");
    let mut evil = python_with_packages(CLIENT, &[&address, "https://evil.test"]);
    assert_ne!(evil.code(), 0);
    assert!(evil.errors().contains("HTTP 403"));
    listener.error_line_with("comes from a page of https://evil.test, which is not allowed");
    listener.error_line_with("hint: --origin https://evil.test lets its pages in");
}

#[test]
fn wss_is_both() {
    let mut listener = listening(&["wss://127.0.0.1:0/x", "--self-signed", "--reply", "safe"]);
    let line = listener.error_line_with("fingerprint");
    let fingerprint = line.rsplit(' ').next().expect("it ends the line").to_owned();
    let address = listener.error_line_with("listening on ").rsplit(' ').next().expect("an address").to_owned();
    assert!(address.starts_with("wss://127.0.0.1:") && address.ends_with("/x"), "{address}");
    let mut client = unstick(&["ask", &address, "--pin", &fingerprint, "am I?"]);
    assert_eq!((client.rest().as_str(), client.code()), ("safe\n", 0), "{}", client.errors());
    let mut plain = unstick(&["ask", &address.replace("wss:", "ws:"), "am I?"]);
    assert_eq!(plain.code(), 3);
    listener.error_line_with("hint: a client without TLS needs a listener on ws://");
    let said = plain.errors();
    assert!(said.contains("speaks TLS, and not WebSocket without it") || said.contains("reset"), "{said}");
}

#[test]
fn a_wss_connection_that_is_cut_and_one_without_tls_are_told() {
    let mut listener = listening(&["wss://127.0.0.1:0", "--self-signed", "--io", "line"]);
    let address = listener.error_line_with("listening on ").rsplit(' ').next().expect("an address").to_owned();
    let mut client = unstick(&["connect", &address, "--insecure", "--io", "line"]).ended_by(Signal::KILL);
    client.feed("hello\n");
    assert_eq!(listener.line(), "hello");
    drop(client); // Which ends it at once.
    listener
        .error_line_with("peer 1: receiving: the connection was cut: it ended without TLS's own end (close_notify)");
    let (_plain, port) = unstick_listen(&["ws://127.0.0.1:0", "--echo"]);
    let mut client = unstick(&["ask", &format!("wss://127.0.0.1:{port}"), "--insecure", "x"]);
    assert_eq!(client.code(), 3);
    let said = client.errors();
    assert!(said.contains("does not speak TLS") && said.contains("hint: ws:// speaks without"), "{said}");
}

#[test]
fn a_message_over_the_limit_and_a_host_that_is_another_have_their_hints() {
    let (_echo, port) = unstick_listen(&["ws://127.0.0.1:0", "--echo"]);
    let address = format!("ws://127.0.0.1:{port}");
    let said = |more: &[&str]| {
        let mut client = unstick(&[&["ask", &address, "hello"][..], more].concat());
        (client.code(), client.errors())
    };
    let told = format!(
        "unstick: `hello` cannot be sent to {address}: the message has 5 bytes, over the limit of 4 bytes\n  hint: \
         --max-message SIZE allows more\n"
    );
    assert_eq!(said(&["--max-message", "4"]), (2, told));
    let (code, errors) = said(&["--header", "Host: evil.test"]);
    assert_eq!(code, 3);
    assert!(
        errors.contains("hint: the server does not serve this host name; --header 'Host: NAME' asks for another"),
        "{errors}"
    );
}

#[test]
fn a_bridge_joins_lines_and_messages() {
    let (_server, address) = server(&[]);
    let (_bridge, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--to", &address]);
    let mut client = unstick(&["connect", &format!("127.0.0.1:{port}"), "-f", "line"]);
    assert_eq!(client.line(), "/ None None");
    client.feed("through the bridge\n");
    assert_eq!(client.line(), "THROUGH THE BRIDGE");
    // After this side has ended, the program waits for messages that are still to come.
    client.feed("in parts\n");
    client.end_input();
    assert_eq!(client.line(), "in three parts");
    assert_eq!((client.rest().as_str(), client.code()), ("", 0));
    let (_back, port) =
        unstick_listen(&["ws://127.0.0.1:0", "--to", &format!("127.0.0.1:{port}"), "--to-frame", "line"]);
    let mut client =
        unstick(&["connect", &format!("ws://127.0.0.1:{port}"), "--count", "2", "--send", "there and back"]);
    assert_eq!((client.line().as_str(), client.line().as_str()), ("/ None None", "THERE AND BACK"));
    assert_eq!(client.code(), 0, "{}", client.errors());
}

#[test]
fn a_framing_on_a_websocket_means_nothing() {
    for arguments in [&["connect", "ws://localhost:1", "-f", "line"][..], &["listen", "line+wss://localhost:1"]] {
        let mut wrong = unstick(arguments);
        assert_eq!(wrong.code(), 2);
        let said = wrong.errors();
        assert!(said.contains("hint: a WebSocket message already is a whole message"), "{said}");
    }
}

/// The program reserves no memory for announced bytes before they have arrived.
#[test]
fn peers_that_announce_much_cost_what_they_send() {
    const PEERS: usize = 200;
    const ANNOUNCED: u64 = 16 << 20;
    let (mut listener, port) = unstick_listen(&["ws://127.0.0.1:0", "--io", "hex"]);
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let joined = |listener: &mut Process, number: usize| {
        let mut peer = Peer::connect(port);
        peer.says(request);
        peer.hears("HTTP/1.1 101 Switching Protocols\r\n");
        // A whole message shows that the peer was accepted and that the program reads from it.
        peer.says([0x82, 0x81, 0, 0, 0, 0, number as u8]);
        assert_eq!(listener.line(), format!("{:02x}", number as u8));
        peer
    };
    let first = joined(&mut listener, 0);
    let before = listener.memory();
    let mut peers = vec![first];
    for number in 1..PEERS {
        let mut peer = joined(&mut listener, number);
        peer.says([&[0x82, 0xff][..], &ANNOUNCED.to_be_bytes(), &[0; 4], &[7; 1000]].concat());
        peers.push(peer);
    }
    // The last one has been read once a later one has.
    peers.push(joined(&mut listener, PEERS));
    let each = listener.memory().saturating_sub(before) / PEERS;
    assert!(each < 60 << 10, "{each} bytes for a peer that announced {ANNOUNCED} and sent 1000");
}
