//! WebSocket over Unix sockets, with Python's `websockets` and Node's `ws` at the other end, as client and as server,
//! and bridges to and from them.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::rig::{Process, node_packages, python_with_packages, temporary, unstick, unstick_listen};

/// A server on a socket: it sends the path that it was asked for, then answers in capitals.
const SERVER: &str = "
import asyncio, sys
from websockets.asyncio.server import unix_serve

async def handler(ws):
    await ws.send(f'{ws.request.path} {ws.subprotocol} {ws.request.headers[\"Host\"]}')
    async for message in ws:
        await ws.send(message.upper())

async def main():
    async with unix_serve(handler, sys.argv[1], subprotocols=sys.argv[2:] or None) as server:
        print('ready', flush=True)
        await server.wait_closed()

asyncio.run(main())
";

/// A client of a socket: sends a word, and prints the answer and how it was closed.
const CLIENT: &str = "
import asyncio, sys
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed

async def main():
    async with unix_connect(sys.argv[1], sys.argv[2]) as ws:
        await ws.send('from python')
        print(await ws.recv(), flush=True)
        try:
            await ws.recv()
        except ConnectionClosed:
            pass
        print('closed', ws.close_code, flush=True)

asyncio.run(main())
";

const NODE_SERVER: &str = "
const WebSocket = require('ws'), http = require('http')
const server = http.createServer()
new WebSocket.Server({ server }).on('connection', (socket, request) => {
  socket.send(request.url)
  socket.on('message', message => socket.send(message.toUpperCase()))
})
server.listen(process.argv[1], () => console.log('ready'))
";

const NODE_CLIENT: &str = "
const WebSocket = require('ws')
const socket = new WebSocket(process.argv[1])
socket.on('open', () => socket.send('from node'))
socket.on('message', message => { console.log(message); socket.close(1000) })
";

fn node(script: &str, argument: &str) -> Process {
    let mut command = Command::new("node");
    Process::start(command.env("NODE_PATH", node_packages()).args(["-e", script, argument]))
}

fn python_server(path: &str, subprotocol: &[&str]) -> Process {
    let mut server = python_with_packages(SERVER, &[&[path], subprotocol].concat());
    assert_eq!(server.line(), "ready");
    server
}

/// The program, once it listens on this address.
fn listening(address: &str, more: &[&str]) -> Process {
    let mut process = unstick(&[&["listen", address], more].concat());
    let line = process.error_line_with("listening on ");
    assert!(line.trim_end().ends_with(address), "{line}");
    process
}

#[test]
fn python_and_node_listen() {
    let folder = temporary();
    let path = folder.path().join("python.sock").display().to_string();
    let _python = python_server(&path, &["chat"]);
    let mut client =
        unstick(&["connect", &format!("ws+unix:{path}:/chat?x=1"), "--subprotocol", "chat", "--send", "hello"]);
    assert_eq!((client.line().as_str(), client.line().as_str()), ("/chat?x=1 chat localhost", "HELLO"));
    assert_eq!(client.code(), 0, "{}", client.errors());
    let path = folder.path().join("node.sock").display().to_string();
    let mut node = node(NODE_SERVER, &path);
    assert_eq!(node.line(), "ready");
    // With the slashes of a usual URL.
    let mut ask = unstick(&["connect", &format!("ws+unix://{path}:/room?y"), "--send", "hello"]);
    assert_eq!((ask.line().as_str(), ask.line().as_str(), ask.code()), ("/room?y", "HELLO", 0));
}

#[test]
fn python_and_node_connect() {
    let folder = temporary();
    let path = folder.path().join("it.sock").display().to_string();
    let served = format!("ws+unix:{path}:/chat");
    let mut listener = unstick(&["listen", &served, "--echo", "--once", "--mode", "600", "--json"]);
    let said = listener.line();
    assert!(said.contains(&served), "{said}");
    let mode = std::fs::metadata(&path).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = python_with_packages(CLIENT, &[&path, "ws://localhost/chat?a=b"]);
    assert_eq!(client.line(), "from python");
    let open = listener.line();
    assert!(open.contains(r#""path":"/chat","query":"a=b""#), "{open}");
    drop(client);
    listener.code();
    assert!(!std::path::Path::new(&path).exists(), "the listener removes its file");
    let mut listener = listening(&served, &["--echo", "--once"]);
    let mut client = node(NODE_CLIENT, &format!("ws+unix://{path}:/chat?a=b"));
    assert_eq!((client.line().as_str(), client.code(), listener.code()), ("from node", 0, 0));
}

#[test]
fn a_client_that_asks_for_another_path_is_refused_and_told_what_is_served() {
    let folder = temporary();
    let path = folder.path().join("it.sock").display().to_string();
    let mut listener = listening(&format!("ws+unix:{path}:/chat"), &["--echo"]);
    let mut client = unstick(&["connect", &format!("ws+unix:{path}:/else"), "--send", "x"]);
    assert_eq!(client.code(), 3);
    let said = client.errors();
    assert!(said.contains(&format!("ws+unix:{path}:/else answered 404")), "{said}");
    listener.error_line_with("asked for /else, and /chat is served");
    // Without WebSocket, the hint names the transport below.
    let mut plain = UnixStream::connect(&path).expect("it listens");
    plain.write_all(b"hello\r\n\r\n").expect("it listens");
    listener.error_line_with("a client without WebSocket needs a listener on unix:");
}

#[test]
fn bridges_lead_to_it_and_from_it() {
    let folder = temporary();
    let path = folder.path().join("python.sock").display().to_string();
    let _server = python_server(&path, &["chat"]);
    // From a WebSocket over TCP to a socket: the bridge asks there for what the client asks for.
    let (_bridge, port) =
        unstick_listen(&["ws://127.0.0.1:0", "--to", &format!("ws+unix:{path}"), "--subprotocol", "chat"]);
    let address = format!("ws://127.0.0.1:{port}/a?b");
    let mut client = unstick(&["connect", &address, "--subprotocol", "chat", "--send", "hello"]);
    assert_eq!((client.line().as_str(), client.line().as_str()), ("/a?b chat localhost", "HELLO"));
    assert_eq!(client.code(), 0, "{}", client.errors());
    // From a socket to a socket, and from one to lines.
    let path = folder.path().join("plain.sock").display().to_string();
    let _plain = python_server(&path, &[]);
    let other = folder.path().join("other.sock").display().to_string();
    let _bridge = listening_bridge(&format!("ws+unix:{other}"), &["--to", &format!("ws+unix:{path}:/fixed")]);
    let mut client = python_with_packages(CLIENT, &[&other, "ws://localhost/mine"]);
    assert_eq!(client.line(), "/fixed None localhost");
    drop(client);
    let lines = folder.path().join("lines.sock").display().to_string();
    let _bridge =
        listening_bridge(&format!("ws+unix:{lines}"), &["--to", "exec:sed -u s/hello/HELLO/", "--to-frame", "line"]);
    let mut client = unstick(&["connect", &format!("ws+unix:{lines}"), "--send", "hello", "--count", "1"]);
    assert_eq!((client.line().as_str(), client.code()), ("HELLO", 0));
}

fn listening_bridge(address: &str, more: &[&str]) -> Process {
    let mut process = unstick(&[&["listen", address], more].concat());
    let line = process.error_line_with("listening on ");
    assert!(line.contains(address), "{line}");
    process
}

#[test]
fn shake_cuts_what_goes_over_it() {
    let folder = temporary();
    let path = folder.path().join("python.sock").display().to_string();
    let _server = python_server(&path, &[]);
    let to = format!("ws+unix:{path}:/x");
    let mut shake = unstick(&["shake", "--to", &to, "--send", "hello"]);
    let report = shake.rest();
    assert_eq!(shake.code(), 0, "{report}\n{}", shake.errors());
    assert!(report.starts_with("SAME EVERYWHERE\n"), "{report}");
}
