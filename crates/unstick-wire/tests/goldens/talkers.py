"""Protocols whose frames are not one header and so many bytes: text with payloads, parts, start-ups.

pip install PyMySQL stomp.py wsproto simplefix pyzmq pynng
"""

import socket
import struct
import threading

import pymysql.constants.COMMAND as MYSQL
import pynng
import simplefix
import zmq
from stomp.utils import Frame, convert_frame
from wsproto.frame_protocol import FrameProtocol, Opcode

from golden import Golden


def mysql():
    g = Golden("mysql", "MySQL and MariaDB", "MySQL internals, page_protocol_basic_packets: 3 bytes of length, a sequence number; by hand", "PyMySQL")
    packet = lambda number, body: len(body).to_bytes(3, "little") + bytes([number]) + body
    login = struct.pack("<IIB23x", 0x003FA685, 1 << 24, 45) + b"alice\0" + b"\0" + b"mysql_native_password\0"
    g.client(packet(1, login), "HandshakeResponse41")
    g.client(packet(0, bytes([MYSQL.COM_QUERY]) + b"SELECT 1"), "COM_QUERY")
    g.client(packet(0, bytes([MYSQL.COM_QUIT])), "COM_QUIT")
    greeting = b"\x0a10.11.6-MariaDB\0" + struct.pack("<I", 7) + b"12345678\0" + bytes.fromhex("feff2d0200ff8115") + bytes(10) + b"123456789012\0mysql_native_password\0"
    g.server(packet(0, greeting), "HandshakeV10")
    g.server(packet(2, bytes([0, 0, 0, 2, 0, 0, 0])), "OK")
    g.server(packet(1, b"\1"), "one column")
    g.server(packet(2, b"\xfe\0\0\2\0"), "EOF")
    g.write()


def memcached():
    g = Golden("memcached", "memcached, text and meta commands", 'memcached protocol.txt, "Storage commands", "Retrieval command", "Meta commands"; by hand')
    for text, note in [
        (b"set greeting 0 60 12\r\ntwo\r\n lines!\r\n", "a payload with CRLF in it"),
        (b"get greeting other\r\n", "a line alone"),
        (b"cas greeting 0 60 2 77 noreply\r\nhi\r\n", "the count is not the last word"),
        (b"ms greeting 2 T60\r\nhi\r\n", "meta set"),
        (b"add empty 0 0 0\r\n\r\n", "an empty payload"),
        (b"quit\r\n", ""),
    ]:
        g.client(text, note, head=0, tail=2)
    for text, note in [
        (b"STORED\r\n", ""),
        (b"VALUE greeting 0 12\r\ntwo\r\n lines!\r\n", ""),
        (b"VALUE other 0 2 99\r\nhi\r\n", "of gets: behind the count a unique number"),
        (b"END\r\n", ""),
        (b"VA 2 t60\r\nhi\r\n", "meta get"),
        (b"HD\r\n", ""),
        (b"SERVER_ERROR out of memory\r\n", ""),
    ]:
        g.server(text, note, head=0, tail=2)
    g.write()


def nats():
    g = Golden("nats", "NATS", 'NATS "Client Protocol"; its own examples, by hand')
    for text, note in [
        (b'CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"lang":"go"}\r\n', ""),
        (b"PUB FOO 11\r\nHello NATS!\r\n", ""),
        (b"PUB FRONT.DOOR JOKE.22 11\r\nKnock\r\n Kno\r\n", "a reply subject; CRLF in the payload"),
        (b"HPUB FOO 22 33\r\nNATS/1.0\r\nBar: Baz\r\n\r\nHello NATS!\r\n", "headers: the last number counts both"),
        (b"pub NOTIFY 0\r\n\r\n", "no payload; letter case does not count"),
        (b"SUB FOO 1\r\n", ""),
        (b"PING\r\n", ""),
    ]:
        g.client(text, note, head=0, tail=2)
    for text, note in [
        (b'INFO {"server_id":"NAAA","version":"2.10.0","max_payload":1048576}\r\n', ""),
        (b"+OK\r\n", ""),
        (b"MSG FOO.BAR 9 11\r\nHello World\r\n", ""),
        (b"MSG FOO.BAR 9 GREETING.34 11\r\nHello World\r\n", "a reply subject"),
        (b"HMSG FOO.BAR 9 34 45\r\nNATS/1.0\r\nFoodGroup: vegetable\r\n\r\nHello World\r\n", "headers"),
        (b"PONG\r\n", ""),
        (b"-ERR 'Unknown Protocol Operation'\r\n", ""),
    ]:
        g.server(text, note, head=0, tail=2)
    g.write()


def beanstalkd():
    g = Golden("beanstalkd", "beanstalkd", "beanstalkd doc/protocol.txt; by hand")
    for text in [b"put 0 0 60 5\r\nhel\r\n\r\n", b"reserve\r\n", b"put 0 0 60 0\r\n\r\n", b"delete 1\r\n"]:
        g.client(text, "", head=0, tail=2)
    for text in [b"INSERTED 1\r\n", b"RESERVED 1 5\r\nhel\r\n\r\n", b"FOUND 2 0\r\n\r\n", b"OK 4\r\n---\n\r\n", b"DELETED\r\n"]:
        g.server(text, "", head=0, tail=2)
    g.write()


def stomp():
    g = Golden("stomp", "STOMP 1.2", 'STOMP 1.2, "Augmented BNF", "Body", "Heart-beating"', "stomp.py")

    def frame(command, headers, body=None):
        return b"".join(convert_frame(Frame(command, headers, body))).rstrip(b"\0") + b"\0"

    g.client(frame("CONNECT", {"accept-version": "1.2", "host": "example.test"}), "", head=0, tail=1)
    g.client(b"SEND\ndestination:/queue/a\ncontent-length:6\n\nnul\0in\0", "a zero byte that content-length covers", head=0, tail=1)
    g.client(frame("SUBSCRIBE", {"id": "0", "destination": "/queue/a"}), "", head=0, tail=1)
    g.server(b"CONNECTED\r\nversion:1.2\r\nheart-beat:0,0\r\n\r\n\0", "lines may end in CRLF", head=0, tail=1)
    g.server(b"\n\r\nMESSAGE\nsubscription:0\nmessage-id:7\n\nhello, no length\0", "two heart-beats, then a body up to the zero byte", head=3, tail=1)
    g.lines[-1] = "<~" + g.lines[-1][2:]
    g.server(b"RECEIPT\nreceipt-id:1\n\n\0", "", head=0, tail=1)
    g.write()


def websocket():
    g = Golden("websocket", "WebSocket frames, after the handshake", "RFC 6455 sections 1.2, 5.2 and 5.7", "wsproto")
    client, server = FrameProtocol(True, []), FrameProtocol(False, [])
    asked = b"GET /chat HTTP/1.1\r\nHost: example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    g.client(asked, "the handshake, by hand", head=0, tail=4)
    g.client(bytes.fromhex("818537fa213d7f9f4d5158"), "Hello, masked: section 5.7")
    g.client(bytes(client.send_data(b"x" * 200, fin=True)), "16 bits of length")
    g.client(bytes(client.ping(b"?")), "ping")
    g.server(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "", head=0, tail=4)
    g.server(bytes.fromhex("810548656c6c6f"), "Hello: section 5.7")
    g.server(bytes.fromhex("010348656c"), "Hel, a first fragment: section 5.7")
    g.server(bytes.fromhex("80026c6f"), "lo, the last: section 5.7")
    g.server(bytes(server.send_data(b"y" * 70000, fin=True)), "64 bits of length")
    g.server(bytes(server.close(1000, "bye")), "close")
    g.write()


def fix():
    g = Golden("fix", "FIX 4 and 5", 'FIX TagValue Encoding, "Message structure": 8, 9, ..., 10', "simplefix")
    for way, kind, more in [(g.client, "A", [(98, 0), (108, 30)]), (g.client, "0", []), (g.server, "A", [(98, 0), (108, 30)])]:
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4")
        message.append_pair(35, kind)
        message.append_pair(49, "SHOP")
        message.append_pair(56, "BANK")
        message.append_pair(34, 1)
        for tag, value in more:
            message.append_pair(tag, value)
        way(message.encode(), "Logon" if kind == "A" else "Heartbeat")
    data = simplefix.FixMessage()
    data.append_pair(8, "FIX.4.4")
    data.append_pair(35, "B")
    data.append_data(95, 96, b"a\x0110=000\x01b")
    g.server(data.encode(), "raw data that looks like an end")
    g.write()


def dnp3():
    g = Golden("dnp3", "DNP3 link layer", "IEEE 1815 section 9.2.4 (FT3 frames): CRC behind the header and each 16 bytes; by hand")

    def crc(data):
        value = 0
        for byte in data:
            value ^= byte
            for _ in range(8):
                value = value >> 1 ^ (0xA6BC if value & 1 else 0)
        return struct.pack("<H", value ^ 0xFFFF)

    def frame(control, to, from_, data=b""):
        head = struct.pack("<BBBBHH", 0x05, 0x64, 5 + len(data), control, to, from_)
        blocks = [data[at : at + 16] for at in range(0, len(data), 16)]
        return head + crc(head) + b"".join(block + crc(block) for block in blocks)

    assert crc(bytes.fromhex("056405c001000004")) == bytes.fromhex("e921"), "the RESET LINK of many a book"
    g.client(frame(0xC0, 1, 1024), "RESET LINK: no data")
    g.client(frame(0xC4, 1, 1024, bytes.fromhex("c0c1013c02063c03063c04063c0106")), "read classes: one short block")
    g.server(frame(0x00, 1024, 1), "ACK")
    g.server(frame(0x44, 1024, 1, bytes(range(16))), "a whole block")
    g.server(frame(0x44, 1024, 1, bytes(range(37))), "three blocks")
    g.write()


def x11():
    g = Golden("x11", "X11 requests, replies and events", "X Window System Protocol, chapter 8 and appendix B (encoding); by hand, little-endian")
    pad = lambda data: data + bytes(-len(data) % 4)
    name, cookie = b"MIT-MAGIC-COOKIE-1", bytes(range(16))
    g.client(struct.pack("<BxHHHHxx", 0x6C, 11, 0, len(name), len(cookie)) + pad(name) + pad(cookie), "connection setup")
    g.client(struct.pack("<BBHHxx", 98, 0, 5, 12) + b"BIG-REQUESTS", "QueryExtension: lengths in words")
    g.client(struct.pack("<BBH", 43, 0, 1), "GetInputFocus: the header alone")
    g.client(struct.pack("<BBHI", 127, 0, 0, 4) + bytes(8), "a big request: length 0, then 32 bits")
    vendor = b"The X.Org Foundation"
    body = struct.pack("<IIIIHHBBBBBBBB4x", 12101004, 0x200000, 0x1FFFFF, 256, len(vendor), 65535, 0, 0, 0, 0, 32, 32, 8, 255) + pad(vendor)
    g.server(struct.pack("<BxHHH", 1, 11, 0, len(body) // 4) + body, "setup: success")
    g.server(struct.pack("<BxHIBBBB20x", 1, 1, 0, 1, 133, 0, 0), "reply of 32 bytes")
    g.server(struct.pack("<BBHI24x", 1, 1, 2, 2) + bytes(8), "reply with eight more")
    g.server(struct.pack("<BBH28x", 12, 0, 2), "Expose: events have 32")
    g.server(struct.pack("<BBHIHxxI16x", 35, 131, 2, 1, 1, 0)[:32] + bytes(4), "a generic event with four more")
    g.server(struct.pack("<BBH28x", 0, 3, 4), "error")
    g.write()


def erlang():
    g = Golden("erlang", "Erlang distribution", 'ERTS User\'s Guide, "Distribution Protocol": lengths of 2 bytes in the handshake, 4 behind it; by hand')
    short = lambda body: struct.pack("!H", len(body)) + body
    long = lambda body: struct.pack("!I", len(body)) + body
    g.client(short(b"N" + struct.pack("!QIH", 0x3DF7FBD, 7, 10) + b"shop@alpha"), "send_name", head=2)
    g.client(short(b"r" + struct.pack("!I", 77) + bytes(range(16))), "send_challenge_reply: the last of the handshake", head=2)
    g.client(struct.pack("!I", 0), "tick", head=4)
    g.client(long(b"p\x83h\x03a\x06gd\0\x03nonh\x02a\x01a\x02"), "a message", head=4)
    g.server(short(b"sok"), "status", head=2)
    g.server(short(b"N" + struct.pack("!QIIH", 0x3DF7FBD, 99, 8, 9) + b"bank@beta"), "challenge", head=2)
    g.server(short(b"a" + bytes(range(16))), "challenge_ack: the last of the handshake", head=2)
    g.server(struct.pack("!I", 0), "tick", head=4)
    g.server(long(b"p\x83" + bytes(70000)), "more than 16 bits can say", head=4)
    g.write()


def tds():
    g = Golden("tds", "SQL Server TDS", "MS-TDS section 2.2.3 (packets): a message goes on until status bit 01; by hand")
    packet = lambda kind, last, number, data: struct.pack("!BBHHBB", kind, last, 8 + len(data), 0, number, 0) + data
    login = bytes.fromhex("00001a00060100200001020021000103002200040400260001ff") + bytes(12)
    g.client(packet(0x12, 1, 1, login), "PRELOGIN")
    query = "SELECT 1".encode("utf-16-le")
    g.client(packet(1, 0, 1, query[:8]) + packet(1, 1, 2, query[8:]), "a batch in two packets")
    g.server(packet(4, 1, 1, login), "the answer")
    g.server(packet(4, 0, 1, bytes(30)) + packet(4, 0, 2, bytes(30)) + packet(4, 1, 3, b"\xfd" + bytes(12)), "in three")
    g.write()


def bolt():
    g = Golden("bolt", "Neo4j Bolt", 'Bolt "Handshake specification", Manifest v1, and "Message specification", Chunking; by hand')
    versions = bytes.fromhex("6060b017000001ff000004040000000300000002")
    g.client(versions, "the handshake: no chunk; the first offer is to be shown a manifest")
    g.client(bytes.fromhex("0000070508"), "the version that was chosen from it, and the capabilities")
    hello = bytes.fromhex("b101a1") + b"\x8auser_agent\x84shop"
    g.client(struct.pack("!H", len(hello)) + hello + b"\0\0", "HELLO", head=2, tail=2)
    two = struct.pack("!H", 5) + hello[:5] + struct.pack("!H", len(hello) - 5) + hello[5:] + b"\0\0"
    g.client(two, "the same in two chunks", parts=[(2, 7), (9, len(two) - 2)])
    g.lines[-1] = ">~" + g.lines[-1][2:]
    g.client(b"\0\0", "no operation", head=0, tail=2)
    g.server(bytes.fromhex("000001ff" "02" "00020805" "00040404" "09"), "the manifest: two ranges of versions, capabilities")
    success = bytes.fromhex("b170a0")
    g.server(struct.pack("!H", len(success)) + success + b"\0\0", "SUCCESS", head=2, tail=2)
    g.server(struct.pack("!H", len(success)) + success + b"\0\0", "SUCCESS", head=2, tail=2)
    g.write()


def recorded(connect, listen, talk):
    """What two ends say to each other through a relay that writes it down."""
    inner = socket.create_server(("127.0.0.1", 0))
    port = inner.getsockname()[1]
    streams = {"client": b"", "server": b""}

    def relay(source, target, who):
        while data := source.recv(65536):
            streams[who] += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    server_port = listen()

    def accept():
        ours, _ = inner.accept()
        theirs = socket.create_connection(("127.0.0.1", server_port))
        threads = [threading.Thread(target=relay, args=a, daemon=True) for a in [(ours, theirs, "client"), (theirs, ours, "server")]]
        [t.start() for t in threads]
        [t.join(2) for t in threads]

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    connect(port)
    talk()
    thread.join(3)
    inner.close()
    return streams


def zmtp():
    g = Golden("zmtp", "ZMTP 3, ZeroMQ", "ZMTP 3.1 (rfc.zeromq.org/spec/37), section Framing", f"libzmq {zmq.zmq_version()}")
    context = zmq.Context()
    reply, request = context.socket(zmq.REP), context.socket(zmq.REQ)
    reply.linger = request.linger = 0

    def talk():
        request.send(b"hello")
        reply.recv()
        reply.send(b"w" * 300)
        request.recv()
        request.close()
        reply.close()

    streams = recorded(lambda port: request.connect(f"tcp://127.0.0.1:{port}"), lambda: reply.bind_to_random_port("tcp://127.0.0.1"), talk)
    for way, who in [(g.client, "client"), (g.server, "server")]:
        stream = streams[who]
        way(stream[:64], "the greeting: no frame")
        stream = stream[64:]
        while stream:
            long = stream[0] & 2
            length = 9 + struct.unpack("!Q", stream[1:9])[0] if long else 2 + stream[1]
            way(stream[:length], "command" if stream[0] & 4 else "more follows" if stream[0] & 1 else "last part")
            stream = stream[length:]
    g.write()


def nanomsg():
    g = Golden("nanomsg", "nanomsg and nng over TCP", "SP TCP mapping (nanomsg rfc/sp-tcp-mapping-01), sections 2 and 3", "pynng")
    server, client = pynng.Pair0(recv_timeout=3000), pynng.Pair0(recv_timeout=3000)

    def listen():
        server.listen("tcp://127.0.0.1:0")
        return int(str(server.listeners[0].local_address).rsplit(":", 1)[1])

    def talk():
        client.send(b"hello")
        server.recv()
        server.send(b"and hello to you")
        client.recv()
        server.send(b"!")
        client.recv()
        client.close()
        server.close()

    streams = recorded(lambda port: client.dial(f"tcp://127.0.0.1:{port}"), listen, talk)
    for way, who in [(g.client, "client"), (g.server, "server")]:
        stream = streams[who]
        way(stream[:8], "the handshake: no frame")
        stream = stream[8:]
        while stream:
            length = 8 + struct.unpack("!Q", stream[:8])[0]
            way(stream[:length], "", head=8)
            stream = stream[length:]
    g.write()


def coap():
    g = Golden("coap", "CoAP over TCP and TLS", "RFC 8323 section 3.2: four bits of length, 13 to 15 say that more follow; by hand")

    def message(code, token, rest):
        size = len(rest)
        if size < 13:
            nibble, extended = size, b""
        elif size < 269:
            nibble, extended = 13, bytes([size - 13])
        elif size < 65805:
            nibble, extended = 14, struct.pack("!H", size - 269)
        else:
            nibble, extended = 15, struct.pack("!I", size - 65805)
        return bytes([nibble << 4 | len(token)]) + extended + bytes([code]) + token + rest

    g.client(message(0xE1, b"", b""), "CSM: nothing behind its code")
    g.client(message(0x01, b"\x01", b"\xb4temp"), "GET /temp")
    g.client(message(0x02, b"\x02\x03", b"\xb4temp\xff" + b"9" * 60), "POST, 8 bits more of length")
    g.server(message(0xE1, b"", b"\x22\x04\x00"), "CSM")
    g.server(message(0x45, b"\x01", b"\xff" + b"2" * 400), "2.05, 16 bits more")
    g.server(message(0x45, b"\x02\x03", b"\xff" + b"3" * 70000), "32 bits more")
    g.write()


def cassandra5():
    g = Golden("cassandra5", "Cassandra native protocol 5", "native_protocol_v5.spec sections 2.2 (frames) and 2.3.1 (the first ones are of version 4); CRCs by hand")
    import zlib

    def crc24(data):
        value = 0x875060
        for byte in data:
            value ^= byte << 16
            for _ in range(8):
                value <<= 1
                if value & 0x1000000:
                    value ^= 0x1974F0B
        return value & 0xFFFFFF

    def frame(payload, self_contained=True):
        head = (len(payload) | (0x20000 if self_contained else 0)).to_bytes(3, "little")
        sum_ = zlib.crc32(payload, zlib.crc32(b"\xfa\x2d\x55\xca"))
        return head + crc24(head).to_bytes(3, "little") + payload + struct.pack("<I", sum_)

    envelope = lambda version, opcode, body: struct.pack("!BBhBI", version, 0, 1, opcode, len(body)) + body
    startup = struct.pack("!H", 1) + b"\0\x0bCQL_VERSION\0\x053.0.0"
    g.client(envelope(5, 5, b""), "OPTIONS: an envelope alone")
    g.client(envelope(5, 1, startup), "STARTUP: the last that is no frame")
    g.client(frame(envelope(5, 7, struct.pack("!I", 8) + b"SELECT 1" + struct.pack("!HI", 1, 0))), "QUERY")
    g.client(frame(b"half of an envelope", self_contained=False), "bit 17 not set")
    g.server(envelope(0x85, 6, struct.pack("!H", 0)), "SUPPORTED")
    g.server(envelope(0x85, 2, b""), "READY: the last that is no frame")
    g.server(frame(envelope(0x85, 8, struct.pack("!I", 1))), "RESULT")
    g.write()


def dbus():
    g = Golden("dbus", "D-Bus", 'D-Bus specification, "Authentication Protocol" and "Message Format"; by hand')
    pad8 = lambda data: data + bytes(-len(data) % 8)
    # Hello to the bus: path (1), member (3), interface (2), destination (6), in the order that libdbus writes.
    field = lambda code, kind, text: bytes([code, 1]) + kind + b"\0" + struct.pack("<I", len(text)) + text + b"\0"
    fields = pad8(field(1, b"o", b"/org/freedesktop/DBus")) + pad8(field(3, b"s", b"Hello")) + field(6, b"s", b"org.freedesktop.DBus")
    hello = struct.pack("<BBBBIII", 0x6C, 1, 0, 1, 0, 1, len(fields)) + pad8(fields)
    g.client(b"\0", "a zero byte first")
    g.client(b"AUTH EXTERNAL 31303030\r\n", "", head=0, tail=2)
    g.client(b"NEGOTIATE_UNIX_FD\r\n", "", head=0, tail=2)
    g.client(b"BEGIN\r\n", "the last line", head=0, tail=2)
    g.client(hello, "Hello")
    g.client(hello, "and again")
    g.server(b"OK 1234deadbeef\r\n", "", head=0, tail=2)
    g.server(b"AGREE_UNIX_FD\r\n", "", head=0, tail=2)
    big = bytes([8, 1]) + b"g\0\x01s\0"
    g.server(struct.pack("!BBBBIII", 0x42, 2, 1, 1, 10, 1, len(big)) + pad8(big) + struct.pack("!I", 5) + b":1.42\0", "a reply, big-endian, with a body")
    g.server(struct.pack("<BBBBIII", 0x6C, 2, 1, 1, 0, 2, 0), "without fields and body")
    g.write()


def dcerpc():
    g = Golden("dcerpc", "DCE/RPC", "DCE 1.1: Remote Procedure Call, chapter 12 (connection-oriented PDUs); MS-RPCE; by hand")
    for way, kind in [(g.client, 11), (g.client, 0), (g.server, 12), (g.server, 2)]:
        body = bytes(24)
        way(struct.pack("<BBBB4sHHI", 5, 0, kind, 3, b"\x10\0\0\0", 16 + len(body), 0, 1) + body, "little-endian")
    g.server(struct.pack("!BBBB4sHHI", 5, 0, 2, 3, b"\0\0\0\0", 16 + 8, 0, 2) + bytes(8), "big-endian")
    g.write()


if __name__ == "__main__":
    one = [mysql, memcached, nats, beanstalkd, stomp, websocket, fix, dnp3, x11, erlang, tds, bolt]
    for write in one + [zmtp, nanomsg, coap, cassandra5, dbus, dcerpc]:
        write()
