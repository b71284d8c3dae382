//! Tests presets with servers of their protocols: whole messages both ways.

use tempfile::TempDir;

use crate::rig::{
    Dns, Postgres, Process, Redis, Server, netcat, port_at_end, python_code, python_of_packages, temporary, unstick,
    unstick_listen,
};

/// `unstick connect` with a preset, its input open.
fn client(port: u16, preset: &str) -> Process {
    unstick(&["connect", &format!("127.0.0.1:{port}"), "-f", preset])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().expect("messages are printed in hexadecimal")
}

/// Sends a message in hexadecimal.
fn send(client: &mut Process, message: &[u8]) {
    client.feed(hex(message) + "\n");
}

/// The next message, in hexadecimal.
fn receive(client: &mut Process) -> Vec<u8> {
    unhex(&client.line())
}

#[track_caller]
fn ends_well(mut client: Process) {
    client.end_input();
    assert_eq!(client.code(), 0, "{}", client.errors());
}

#[test]
fn postgresql_from_the_question_for_tls_to_the_answer() {
    let postgres = Postgres::start();
    let mut client = client(postgres.port, "postgres");
    let message = |kind: &[u8], body: &[u8]| [kind, &(body.len() as u32 + 4).to_be_bytes(), body].concat();
    send(&mut client, &message(b"", &80_877_103u32.to_be_bytes()));
    assert_eq!(receive(&mut client), b"N", "no TLS here: one bare byte");
    send(&mut client, &message(b"", b"\0\x03\0\0user\0postgres\0\0"));
    send(&mut client, &message(b"Q", b"SELECT 6 * 7\0"));
    let mut row = receive(&mut client);
    assert_eq!(row, message(b"R", &[0; 4]), "nobody is asked for a password");
    while row[0] != b'D' {
        assert_eq!(row.len(), 1 + u32::from_be_bytes(row[1..5].try_into().unwrap()) as usize, "whole: {row:02x?}");
        row = receive(&mut client);
    }
    assert_eq!(row, message(b"D", b"\0\x01\0\0\0\x0242"));
    send(&mut client, &message(b"X", b""));
    ends_well(client);
}

#[test]
fn mariadb_from_its_greeting_to_the_answer() {
    let server = Server::mariadb();
    let mut client = client(server.port, "mysql");
    let packet = |number: u8, body: &[u8]| [&(body.len() as u32).to_le_bytes()[..3], &[number], body].concat();
    let greeting = receive(&mut client);
    assert_eq!((greeting[3], greeting[4]), (0, 10), "protocol 10: {greeting:02x?}");
    // Protocol 4.1, plugins, and a long password that is empty.
    let login =
        [&0x0008_8201u32.to_le_bytes()[..], &[0, 0, 0, 1, 8], &[0; 23], b"root\0\0mysql_native_password\0"].concat();
    send(&mut client, &packet(1, &login));
    assert_eq!(receive(&mut client)[4], 0, "OK");
    send(&mut client, &packet(0, b"\x03SELECT 6 * 7"));
    let answer: Vec<Vec<u8>> = (0..5).map(|_| receive(&mut client)).collect();
    assert_eq!(answer[3], packet(4, b"\x0242"), "{answer:02x?}");
    send(&mut client, &packet(0, b"\x01"));
    ends_well(client);
}

#[test]
fn redis_in_words_and_in_arrays() {
    let redis = Redis::start();
    let mut question = unstick(&["ask", &format!("127.0.0.1:{}", redis.port), "-f", "redis", "PING"]);
    assert_eq!((question.rest(), question.code()), ("+PONG\n".to_owned(), 0));
    let mut client = client(redis.port, "redis");
    client.feed("RPUSH list one \"two\\\\r\\\\nlines\"\n");
    assert_eq!(client.line(), ":2");
    client.feed("LRANGE list 0 -1\n");
    assert_eq!(client.line(), "*2\\r\\n$3\\r\\none\\r\\n$10\\r\\ntwo\\r\\nlines", "one reply, whatever it holds");
    client.feed("*2\\r\\n$5\\r\\nHELLO\\r\\n$1\\r\\n3\n");
    assert!(client.line().starts_with("%7\\r\\n$6\\r\\nserver\\r\\n$5\\r\\nredis"), "a map of RESP3");
    client.feed("SMEMBERS nothing\n");
    assert_eq!(client.line(), "~0", "a set of RESP3");
    ends_well(client);
}

#[test]
fn memcached_with_payloads_of_more_lines_than_one() {
    let server = Server::memcached();
    let mut client = client(server.port, "memcached");
    client.feed("set greeting 0 60 13\\r\\ntwo\\r\\n lines!!\nget greeting\nget nothing\n");
    for reply in ["STORED", "VALUE greeting 0 13\\r\\ntwo\\r\\n lines!!", "END", "END"] {
        assert_eq!(client.line(), reply);
    }
    client.feed("quit\n");
    ends_well(client);
}

#[test]
fn mosquitto_sends_back_what_was_published() {
    let server = Server::mosquitto();
    let mut client = client(server.port, "mqtt");
    send(&mut client, b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc");
    assert_eq!(receive(&mut client), b"\x20\x02\0\0", "CONNACK");
    send(&mut client, b"\x82\x08\0\x01\0\x03a/b\0");
    assert_eq!(receive(&mut client), b"\x90\x03\0\x01\0", "SUBACK");
    let publish = [b"\x30\xb1\x02\0\x03a/b".to_vec(), vec![b'x'; 300]].concat();
    send(&mut client, &publish);
    assert_eq!(receive(&mut client), publish, "a length of two bytes");
    send(&mut client, b"\xe0\0");
    ends_well(client);
}

#[test]
fn rabbitmq_from_the_protocol_header_to_an_open_connection() {
    let server = Server::rabbitmq();
    // It ends a closed connection with a reset, and the test does not wait for that.
    let mut client = unstick(&["connect", &format!("127.0.0.1:{}", server.port), "-f", "amqp", "--count", "4"]);
    // Without its end byte, which the framing writes and checks.
    let method = |class: u16, method: u16, arguments: &[u8]| {
        let payload = [&class.to_be_bytes(), &method.to_be_bytes(), arguments].concat();
        [&[1, 0, 0], &(payload.len() as u32).to_be_bytes()[..], &payload].concat()
    };
    let said = |frame: &[u8]| [frame[7..9].to_vec(), frame[9..11].to_vec()].concat();
    send(&mut client, b"AMQP\0\0\x09\x01");
    assert_eq!(said(&receive(&mut client)), b"\0\x0a\0\x0a", "Connection.Start");
    let start_ok = [&[0, 0, 0, 0][..], b"\x05PLAIN", b"\0\0\0\x0c\0guest\0guest", b"\x05en_US"].concat();
    send(&mut client, &method(10, 11, &start_ok));
    assert_eq!(said(&receive(&mut client)), b"\0\x0a\0\x1e", "Connection.Tune");
    send(&mut client, &method(10, 31, b"\x07\xff\0\x02\0\0\0\x3c"));
    send(&mut client, &method(10, 40, b"\x01/\0\0"));
    assert_eq!(said(&receive(&mut client)), b"\0\x0a\0\x29", "Connection.OpenOk");
    send(&mut client, &method(10, 50, b"\0\xc8\0\0\0\0\0"));
    assert_eq!(said(&receive(&mut client)), b"\0\x0a\0\x33", "Connection.CloseOk");
    assert_eq!(client.code(), 0, "{}", client.errors());
}

#[test]
fn nats_with_a_payload_that_looks_like_a_command() {
    let server = Server::nats();
    let mut client = client(server.port, "nats");
    assert!(client.line().starts_with("INFO {"));
    client.feed("CONNECT {\"verbose\":true}\nSUB news 1\nPUB news 12\\r\\nPING\\r\\nPING\\r\\n\nPING\n");
    for reply in ["+OK", "+OK", "+OK", "MSG news 1 12\\r\\nPING\\r\\nPING\\r\\n", "PONG"] {
        assert_eq!(client.line(), reply);
    }
    ends_well(client);
}

#[test]
fn dnsmasq_over_tcp() {
    let dns = Dns::start();
    let mut client = client(dns.port, "dns");
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x04test\0\0\x01\0\x01";
    send(&mut client, query);
    let answer = receive(&mut client);
    assert_eq!((&answer[..2], &answer[answer.len() - 4..]), (&query[..2], &[192, 0, 2, 7][..]));
    ends_well(client);
}

#[test]
fn slapd_about_itself() {
    let server = Server::ldap();
    let mut client = client(server.port, "ldap");
    send(&mut client, b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0");
    assert_eq!(receive(&mut client), b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0", "the bind succeeds");
    let search = b"\x04\0\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\x01\0\x01\x01\0\x87\x0bobjectClass\x30\0";
    send(&mut client, &[&[0x30, 5 + search.len() as u8, 2, 1, 2, 0x63, search.len() as u8], &search[..]].concat());
    let entry = receive(&mut client);
    assert_eq!((entry[1] as usize + 2, entry[5]), (entry.len(), 0x64), "one entry, whole: {entry:02x?}");
    assert_eq!(receive(&mut client), b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\0\x04\0\x04\0", "and no more");
    send(&mut client, b"\x30\x05\x02\x01\x03\x42\0");
    ends_well(client);
}

#[test]
fn openssh_to_its_key_exchange() {
    let server = Server::ssh();
    let mut client = client(server.port, "ssh");
    send(&mut client, b"SSH-2.0-test");
    assert!(receive(&mut client).starts_with(b"SSH-2.0-OpenSSH"), "the greeting");
    let offer = receive(&mut client);
    assert_eq!(offer[1], 20, "KEXINIT: {offer:02x?}");
    assert_eq!((offer.len() + 4) % 8, 0, "a packet is a whole number of blocks");
    // The server's own offer suits the server; then a disconnect, by application.
    send(&mut client, &offer);
    let disconnect = [&b"\x01\0\0\0\x0b\0\0\0\x03bye\0\0\0\0"[..]].concat();
    let padding = 8 - (5 + disconnect.len()) % 8 + 8;
    send(&mut client, &[&[padding as u8], &disconnect[..], &vec![0; padding]].concat());
    ends_well(client);
}

#[test]
fn pythons_multiprocessing_listener_answers() {
    let code = "from multiprocessing.connection import Listener\n\
                listener = Listener(('127.0.0.1', 0))\n\
                print(listener.address[1], flush=True)\n\
                with listener.accept() as connection:\n    \
                    while (message := connection.recv_bytes()): connection.send_bytes(message[::-1] * 2)\n";
    let mut server = python_code(code, &[]);
    let mut client = client(server.line().parse().unwrap(), "python-multiprocessing");
    for (message, reply) in [(&b"abc"[..], &b"cbacba"[..]), (b"\0\n\xff", b"\xff\n\0\xff\n\0")] {
        send(&mut client, message);
        assert_eq!(receive(&mut client), reply);
    }
    send(&mut client, b"");
    ends_well(client);
    assert_eq!(server.code(), 0, "{}", server.errors());
}

#[test]
fn pythons_logging_both_ways() {
    // Our end is the server of a real handler. Then it sends the received messages as the client of a real receiver.
    let handler = "import logging, logging.handlers, sys\n\
                   log = logging.getLogger('shop')\n\
                   log.addHandler(logging.handlers.SocketHandler('127.0.0.1', int(sys.argv[1])))\n\
                   log.warning('disk %d%% full', 97)\n\
                   log.error('two\\nlines')\n";
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "python-logging", "--once", "--count", "2"]);
    let mut sender = python_code(handler, &[&port.to_string()]);
    let records = [receive(&mut listener), receive(&mut listener)];
    assert_eq!((listener.code(), sender.code()), (0, 0));
    let receiver = "import pickle, socket, struct, logging\n\
                    server = socket.create_server(('127.0.0.1', 0))\n\
                    print(server.getsockname()[1], flush=True)\n\
                    stream = server.accept()[0].makefile('rb')\n\
                    while (head := stream.read(4)):\n    \
                        record = pickle.loads(stream.read(struct.unpack('>L', head)[0]))\n    \
                        print(repr(logging.makeLogRecord(record).getMessage()), flush=True)\n";
    let mut server = python_code(receiver, &[]);
    let mut client = client(server.line().parse().unwrap(), "python-logging");
    records.iter().for_each(|record| send(&mut client, record));
    ends_well(client);
    assert_eq!(server.rest(), "'disk 97% full'\n'two\\nlines'\n");
}

#[test]
fn pythons_web_server_twice_over_one_connection() {
    let code = "from http.server import BaseHTTPRequestHandler, HTTPServer\n\
                class Handler(BaseHTTPRequestHandler):\n    \
                    protocol_version = 'HTTP/1.1'\n    \
                    def answer(self, header, value, body):\n        \
                        self.send_response(200)\n        \
                        self.send_header(header, value)\n        \
                        self.end_headers()\n        \
                        self.wfile.write(body)\n    \
                    def do_GET(self): self.answer('Content-Length', '14', b'one\\r\\n\\r\\nHTTP/1.')\n    \
                    def do_PUT(self):\n        \
                        body = self.rfile.read(int(self.headers['Content-Length']))\n        \
                        self.answer('Transfer-Encoding', 'chunked', b'%x\\r\\n%s\\r\\n' % (len(body), body))\n        \
                        self.wfile.write(b'2\\r\\n!!\\r\\n0\\r\\n\\r\\n')\n\
                server = HTTPServer(('127.0.0.1', 0), Handler)\n\
                print(server.server_address[1], flush=True)\n\
                server.handle_request()\n";
    let mut server = python_code(code, &[]);
    let mut client = client(server.line().parse().unwrap(), "http");
    client.feed("GET /a HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\n");
    let counted = client.line();
    assert!(counted.starts_with("HTTP/1.1 200 OK\\r\\n"), "{counted}");
    assert!(counted.ends_with("\\r\\n\\r\\none\\r\\n\\r\\nHTTP/1."), "as many bytes as it says: {counted}");
    client.feed("PUT /b HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 4\\r\\n\\r\\n\\r\\n\\r\\n\n");
    let chunked = client.line();
    assert!(chunked.ends_with("\\r\\n\\r\\n4\\r\\n\\r\\n\\r\\n\\r\\n2\\r\\n!!\\r\\n0\\r\\n\\r\\n"), "{chunked}");
    ends_well(client);
    assert_eq!(server.code(), 0, "{}", server.errors());
}

#[test]
fn curl_asks_twice_over_one_connection_and_is_answered() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "http", "--once"]);
    let url = format!("http://127.0.0.1:{port}/");
    let mut curl = netcat("curl", &["--silent", "--show-error", &url, "--next", "--silent", "--data", "a=b", &url]);
    let request = listener.line();
    assert!(request.starts_with("GET / HTTP/1.1\\r\\n") && request.ends_with("\\r\\n\\r\\n"), "{request}");
    listener.feed("HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n4\\r\\none\\n\\r\\n0\\r\\n\\r\\n\n");
    let request = listener.line();
    assert!(request.starts_with("POST / HTTP/1.1\\r\\n") && request.ends_with("\\r\\n\\r\\na=b"), "{request}");
    listener.feed("HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\ntwo\n");
    assert_eq!((curl.rest(), curl.code()), ("one\ntwo".to_owned(), 0), "{}", curl.errors());
    listener.end_input();
    assert_eq!(listener.code(), 0, "{}", listener.errors());
}

#[test]
fn gdbserver_without_its_checksums() {
    let mut server = netcat("gdbserver", &["--once", "127.0.0.1:0", "/bin/true"]);
    let port = port_at_end(&server.error_line_with("Listening on port")).expect("gdbserver names its port");
    let mut client = client(port, "gdb");
    client.feed("$qSupported\n");
    assert_eq!(client.line(), "+");
    let features = client.line();
    assert!(features.starts_with("$PacketSize=") && features.contains(";QStartNoAckMode+;"), "{features}");
    client.feed("+\n$QStartNoAckMode\n");
    assert_eq!((client.line(), client.line()), ("+".to_owned(), "$OK".to_owned()));
    client.feed("+\n$?\n");
    assert!(client.line().starts_with("$T05"), "the program stands before its first step");
    client.feed("$k\n");
    ends_well(client);
    assert_eq!(server.code(), 0, "{}", server.errors());
}

#[test]
fn adb_answers_in_words_and_in_lengths() {
    let server = Server::adb();
    let address = format!("127.0.0.1:{}", server.port);
    let mut client = unstick(&["connect", &address, "-f", "adb-host", "--retry", "10s"]);
    client.feed("host:version\n");
    assert_eq!(client.line(), "OKAY");
    let version = client.line();
    assert!(version.len() == 8 && version.starts_with("0004"), "{version}");
    ends_well(client);
    let mut client = unstick(&["connect", &address, "-f", "adb-host"]);
    client.feed("host:transport:nothing\n");
    let refusal = client.line();
    assert!(refusal.starts_with("FAIL00") && refusal.ends_with("'nothing' not found"), "{refusal}");
    ends_well(client);
}

#[test]
fn ngircd_welcomes_who_has_a_name() {
    let server = Server::irc();
    let mut client = client(server.port, "irc");
    client.feed("NICK guest\nUSER guest 0 * :A guest\n");
    let mut line = client.line();
    while !line.contains(" 001 ") {
        assert!(!line.contains(" 4"), "no error: {line}");
        line = client.line();
    }
    assert!(line.starts_with(":irc.test 001 guest :Welcome"), "{line}");
    client.feed("PING :still there\n");
    client.expect("PONG irc.test :still there");
    client.feed("QUIT\n");
    ends_well(client);
}

#[test]
fn a_language_server_on_pipes_from_initialize_to_exit() {
    let cache = temporary();
    let command = language_server(&cache);
    let mut client = unstick(&["connect", &command, "-f", "lsp"]);
    let mut says = |message: &str| client.feed(format!("{{\"jsonrpc\":\"2.0\",{message}}}\n"));
    says(r#""id":1,"method":"initialize","params":{"processId":null,"rootUri":null,"capabilities":{}}"#);
    says(r#""method":"initialized","params":{}"#);
    let document = r#""uri":"file:///doc.py""#;
    let text = r#""languageId":"python","version":1,"text":"import math\nmath.sqr""#;
    says(&format!(r#""method":"textDocument/didOpen","params":{{"textDocument":{{{document},{text}}}}}"#));
    let place = format!(r#""textDocument":{{{document}}},"position":{{"line":1,"character":8}}"#);
    says(&format!(r#""id":2,"method":"textDocument/completion","params":{{{place}}}"#));
    answered(&mut client, 1, r#""serverInfo":{"name":"pylsp""#);
    answered(&mut client, 2, r#""insertText":"sqrt""#);
    client.feed("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"shutdown\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"exit\"}\n");
    answered(&mut client, 3, r#""result":null"#);
    ends_well(client);
}

/// python-lsp-server on pipes, with its cache in this directory.
fn language_server(cache: &TempDir) -> String {
    format!("exec:XDG_CACHE_HOME={} exec {} -m pylsp", cache.path().display(), python_of_packages().display())
}

/// Checks that the next answer is the one to this question, and has this text in it. It skips the server's notifications.
#[track_caller]
fn answered(client: &mut Process, question: u32, part: &str) {
    loop {
        let line = client.line();
        if line.contains("\"id\":") {
            assert!(line.contains(&format!("\"id\":{question},")) && line.contains(part), "{line}");
            return;
        }
    }
}

#[test]
fn a_language_server_is_asked_one_question() {
    let cache = temporary();
    let command = language_server(&cache);
    let question = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#;
    let mut client = unstick(&["ask", "-f", "lsp", &command, question]);
    let answer = client.rest();
    assert!(answer.starts_with(r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"#), "{answer}");
    assert_eq!((answer.lines().count(), client.code()), (1, 0), "{}", client.errors());
}
