"""Programs talking to programs: peers, containers, editors, logs, games.

pip install python-bitcoinlib mcstatus dulwich protobuf
"""

import json
import logging
import logging.handlers
import multiprocessing.connection
import os
import pickle
import socket
import struct

from bitcoin.messages import msg_getaddr, msg_ping, msg_pong, msg_verack
from dulwich.protocol import pkt_line
from google.protobuf.internal.encoder import _VarintBytes
from google.protobuf.timestamp_pb2 import Timestamp
from mcstatus._protocol.io.base_io import StructFormat
from mcstatus._protocol.io.buffer import Buffer

from golden import Golden


def bitcoin():
    g = Golden("bitcoin", "Bitcoin P2P", 'Bitcoin developer reference, "Message Headers"', "python-bitcoinlib")
    ping = msg_ping()
    ping.nonce = 0x0102030405060708
    pong = msg_pong()
    pong.nonce = ping.nonce
    g.client(ping.to_bytes(), "ping")
    g.client(msg_getaddr().to_bytes(), "getaddr: no payload")
    g.server(pong.to_bytes(), "pong")
    g.server(msg_verack().to_bytes(), "verack: no payload")
    g.write()


def bittorrent():
    g = Golden("bittorrent", "BitTorrent peer wire", 'BEP 3, "peer protocol"; by hand')
    for way, peer in [(g.client, b"-XX0001-abcdefghijkl"), (g.server, b"-YY0002-abcdefghijkl")]:
        way(b"\x13BitTorrent protocol" + bytes(8) + bytes(range(20)) + peer, "the handshake: no length")
        way(struct.pack("!IB", 2, 5) + b"\xf0", "bitfield", head=4)
        way(struct.pack("!I", 0), "keep-alive: an empty message", head=4)
        way(struct.pack("!IBIII", 13, 6, 0, 0, 16384), "request", head=4)
    g.write()


def docker():
    g = Golden("docker", "Docker attach without a terminal", 'Docker Engine API, ContainerAttach, "Stream format"; by hand')
    g.client(b"POST /v1.43/containers/web/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", "the request", head=0, tail=4)
    g.client(b"echo hello\n", "standard input, in no frames")
    g.lines[-1] = ">*" + g.lines[-1][2:]
    g.server(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", "its answer", head=0, tail=4)
    g.server(struct.pack("!BxxxI", 1, 6) + b"hello\n", "standard output")
    g.server(struct.pack("!BxxxI", 2, 5) + b"oops\n", "standard error")
    g.server(struct.pack("!BxxxI", 1, 0), "nothing")
    g.write()


def git():
    g = Golden("git", "git pkt-line", "gitprotocol-common(5), pkt-line Format; gitprotocol-pack(5); gitprotocol-v2(5)", "dulwich")
    g.client(pkt_line(b"git-upload-pack /shop.git\0host=example.test\0\0version=2\0"), "the request")
    g.client(pkt_line(b"command=ls-refs\n"), "a command")
    g.client(b"0001", "a delimiter: no length")
    g.client(pkt_line(b"peel\n"), "an argument")
    g.client(pkt_line(None), "flush: no length")
    g.server(pkt_line(b"version 2\n"), "capabilities")
    g.server(pkt_line(b""), "an empty line is not a flush")
    g.server(pkt_line(b"ls-refs=unborn\n"), "")
    g.server(pkt_line(None), "flush")
    g.server(b"0002", "the end of a response")
    g.write()


def lsp():
    g = Golden("lsp", "Language Server Protocol, DAP", "LSP 3.17, Base Protocol, Header Part; by hand")

    def message(body, *more):
        text = json.dumps({"jsonrpc": "2.0", **body}, ensure_ascii=False).encode()
        head = f"Content-Length: {len(text)}\r\n\r\n".encode()
        return head + text, len(head)

    for way, body, note in [
        (g.client, {"id": 1, "method": "initialize", "params": {"processId": None, "capabilities": {}}}, "initialize"),
        (g.client, {"method": "initialized", "params": {"title": "Grüße"}}, "bytes, not characters, are counted"),
        (g.server, {"id": 1, "result": {"capabilities": {"hoverProvider": True}}}, "the result"),
    ]:
        frame, head = message(body)
        way(frame, note, head=head)
    text = b'{"jsonrpc":"2.0","method":"exit"}'
    head = b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n" % len(text)
    g.server(head + text, "with a Content-Type", head=len(head))
    g.lines[-1] = "<~" + g.lines[-1][2:]
    g.write()


def native_messaging():
    g = Golden("native-messaging", "Chrome and Firefox native messaging", 'Chrome "Native messaging protocol": 32 bits, native byte order (little-endian here)', )
    for way, text in [(g.client, '{"text":"hello"}'), (g.client, "{}"), (g.server, '{"echo":"hello"}'), (g.server, "[]")]:
        way(struct.pack("=I", len(text)) + text.encode(), text, head=4)
    g.write()


def python_logging():
    g = Golden("python-logging", "Python's logging over a socket", "CPython logging.handlers.SocketHandler.makePickle", "Python 3.11's logging")
    handler = logging.handlers.SocketHandler("127.0.0.1", 1)
    for text in ["disk almost full", "disk full"]:
        record = logging.LogRecord("shop", logging.WARNING, "shop.py", 7, text, None, None)
        for name in ["created", "msecs", "relativeCreated", "thread", "process"]:
            setattr(record, name, 0)
        g.client(handler.makePickle(record), text, head=4)
    g.write()


def python_multiprocessing():
    g = Golden("python-multiprocessing", "Python's multiprocessing.connection", "CPython multiprocessing/connection.py, Connection._send_bytes; long form by hand", "Python 3.11's multiprocessing")
    for way in [g.client, g.server]:
        ours, theirs = socket.socketpair()
        connection = multiprocessing.connection.Connection(os.dup(ours.fileno()))
        connection.send_bytes(b"#CHALLENGE#" + bytes(20))
        connection.send({"answer": 42})
        connection.send_bytes(b"")
        stream = theirs.recv(1 << 16)
        while stream:
            length = 4 + struct.unpack("!i", stream[:4])[0]
            way(stream[:length], "", head=4)
            stream = stream[length:]
        connection.close()
        ours.close()
        theirs.close()
        way(struct.pack("!iQ", -1, 5) + b"large", "the form for 2 GiB and more", head=12)
        g.lines[-1] = g.lines[-1][0] + "~" + g.lines[-1][2:]
    g.write()


def protobuf():
    g = Golden("protobuf", "Protocol Buffers, delimited", 'Protocol Buffers "Streaming Multiple Messages"; writeDelimitedTo', "protobuf")
    for way, seconds in [(g.client, 1), (g.client, 0), (g.server, 1 << 60), (g.server, 5)]:
        body = Timestamp(seconds=seconds).SerializeToString()
        way(_VarintBytes(len(body)) + body, f"{seconds} s", head=1)
    g.client(_VarintBytes(300) + bytes(300), "a length of two bytes", head=2)
    g.write()


def minecraft():
    g = Golden("minecraft", "Minecraft Java Edition", 'Minecraft protocol documentation, "Packet format", without compression', "mcstatus")

    def packet(fill):
        inner, outer = Buffer(), Buffer()
        fill(inner)
        outer.write_varint(len(inner))
        whole = bytes(outer) + bytes(inner)
        head = 1
        while whole[head - 1] & 0x80:
            head += 1
        return whole, head

    def handshake(buffer):
        buffer.write_varint(0)
        buffer.write_varint(763)
        buffer.write_utf("example.test")
        buffer.write_value(StructFormat.USHORT, 25565)
        buffer.write_varint(1)

    def status(buffer):
        buffer.write_varint(0)

    def answer(buffer):
        buffer.write_varint(0)
        buffer.write_utf(json.dumps({"version": {"name": "1.20.1"}, "description": "x" * 200}))

    for way, fill, note in [(g.client, handshake, "handshake"), (g.client, status, "status request"), (g.server, answer, "status response"), (g.server, status, "")]:
        frame, head = packet(fill)
        way(frame, note, head=head)
    g.write()


def netstring():
    g = Golden("netstring", "netstrings", "https://cr.yp.to/proto/netstrings.txt; its own examples, by hand")
    g.client(b"12:hello world!,", "", head=3, tail=1)
    g.client(b"0:,", "the empty string", head=2, tail=1)
    g.server(b"3:a,b,", "a comma inside", head=2, tail=1)
    g.server(b"0:,", "", head=2, tail=1)
    g.write()


def syslog():
    g = Golden("syslog", "Syslog over TCP and TLS, octet counting", "RFC 6587 section 3.4.1, RFC 5425 section 4.3; messages of RFC 5424 section 6.5, by hand")
    one = b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed for lonvick on /dev/pts/8"
    two = b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% two\nlines"
    for text in [one, two]:
        head = str(len(text)).encode() + b" "
        g.client(head + text, "", head=len(head))
    g.write()


def carbon():
    g = Golden("carbon", "Graphite's pickle receiver", 'Graphite "Feeding In Your Data", the pickle protocol', "Python 3.11's pickle")
    for metric in [("shop.sales", (1700000000, 42)), ("shop.returns", (1700000000, 1))]:
        body = pickle.dumps([metric], protocol=2)
        g.client(struct.pack("!L", len(body)) + body, metric[0], head=4)
    g.write()


def tfrecord():
    g = Golden("tfrecord", "TFRecord", "TensorFlow tutorial \"TFRecord and tf.train.Example\": length, its CRC, data, its CRC; by hand")

    def crc32c(data):
        crc = 0xFFFFFFFF
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        crc ^= 0xFFFFFFFF
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    for data in [b"hello", b"", b"more data"]:
        length = struct.pack("<Q", len(data))
        g.client(length + struct.pack("<I", crc32c(length)) + data + struct.pack("<I", crc32c(data)))
    g.write()


def pcap():
    g = Golden("pcap", "pcap over IP, little-endian", "IETF draft-ietf-opsawg-pcap sections 4 and 5; by hand")
    g.client(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1), "the file header: no frame")
    for size in [60, 14]:
        g.client(struct.pack("<IIII", 1700000000, 0, size, size) + bytes(size), f"a packet of {size} bytes")
    g.write()


def adb():
    g = Golden("adb", "Android ADB transport", "AOSP adb protocol.txt; by hand")

    def message(command, one, two, data=b""):
        number = int.from_bytes(command, "little")
        return struct.pack("<4sIIIII", command, one, two, len(data), sum(data), number ^ 0xFFFFFFFF) + data

    g.client(message(b"CNXN", 0x01000000, 4096, b"host::\0"), "CONNECT")
    g.client(message(b"OPEN", 1, 0, b"shell:ls\0"), "OPEN")
    g.server(message(b"CNXN", 0x01000000, 4096, b"device::\0"), "CONNECT")
    g.server(message(b"OKAY", 7, 1), "READY: the header alone")
    g.write()


def rcon():
    g = Golden("rcon", "Valve Source RCON", 'Valve Developer Wiki "Source RCON Protocol", Basic Packet Structure; by hand')
    packet = lambda number, kind, text: struct.pack("<iii", 10 + len(text), number, kind) + text + b"\0\0"
    g.client(packet(1, 3, b"secret"), "SERVERDATA_AUTH", head=4)
    g.client(packet(2, 2, b"status"), "SERVERDATA_EXECCOMMAND", head=4)
    g.server(packet(1, 0, b""), "an empty response", head=4)
    g.server(packet(1, 2, b""), "SERVERDATA_AUTH_RESPONSE", head=4)
    g.write()


def zabbix():
    g = Golden("zabbix", "Zabbix", 'Zabbix manual, "Header and data length": ZBXD, flags 1; by hand')
    packet = lambda text: b"ZBXD\x01" + struct.pack("<II", len(text), 0) + text
    g.client(packet(b"agent.ping"), "")
    g.client(packet(b'{"request":"active checks","host":"shop"}'), "")
    g.server(packet(b"1"), "")
    g.server(packet(b""), "nothing")
    g.write()


def gelf():
    g = Golden("gelf", "GELF over TCP, XMLSocket", 'Graylog "GELF via TCP": a zero byte behind each; by hand')
    g.client(b'{"version":"1.1","host":"shop","short_message":"hello"}\0', "", head=0, tail=1)
    g.client(b'{"version":"1.1","host":"shop","short_message":"two\\nlines"}\0', "", head=0, tail=1)
    g.write()


def json_seq():
    g = Golden("json-seq", "JSON text sequences", "RFC 7464 sections 2.1 and 2.2: RS, a JSON text, LF; the texts by Python's json")
    g.client(b'\x1e{"d":"2014-09-22T21:58:35.270Z","value":6}\n', "", head=1, tail=1)
    g.client(b"\x1e[]\n", "", head=1, tail=1)
    pages = json.dumps({"pages": [1, 2], "title": "two\nlines"}, indent=2).encode()
    g.client(b"\x1e" + pages + b"\n", "on several lines", head=1, tail=1)
    g.client(b"\x1e-12.5e3\n", "a number: its LF says that it is whole", head=1, tail=1)
    g.client(b"\x1e\x1etrue \n\n", "two RS are as good as one, and blanks may follow", parts=[(2, 7)])
    g.lines[-1] = ">~" + g.lines[-1][2:]
    g.client(b"\x1enull\n", "", head=1, tail=1)
    g.write()


def tarantool():
    g = Golden("tarantool", "Tarantool IPROTO", 'Tarantool "Binary protocol": greeting of 128 bytes; the length as a MessagePack integer; by hand')
    ping = bytes([0x82, 0x00, 0x40, 0x01, 0x01, 0x80])
    g.client(bytes([len(ping)]) + ping, "IPROTO_PING, a fixint", head=1)
    g.client(b"\xce" + struct.pack("!I", len(ping)) + ping, "the same with 32 bits, as servers and most clients write it", head=5)
    g.lines[-1] = ">~" + g.lines[-1][2:]
    g.client(b"\xcc\xc8" + bytes(200), "8 bits", head=2)
    greeting = b"Tarantool 2.11.0 (Binary) 7170b4af-c72f-4f07-8729-08fc678543a1".ljust(63) + b"\n"
    greeting += b"mQ0zIRkJzRHYDsfXOiAVcoTSKyB0dWVzZGF5IQ==".ljust(63) + b"\n"
    g.server(greeting, "the greeting: no length")
    answer = bytes([0x83, 0x00, 0xCE, 0, 0, 0, 0, 0x01, 0xCF]) + bytes(8) + bytes([0x05, 0xCE, 0, 0, 0, 80, 0x80])
    g.server(b"\xce" + struct.pack("!I", len(answer)) + answer, "OK", head=5)
    g.lines[-1] = "<~" + g.lines[-1][2:]
    g.server(b"\xcd\x01\x2c" + bytes(300), "16 bits", head=3)
    g.write()


if __name__ == "__main__":
    first = [bitcoin, bittorrent, docker, git, lsp, native_messaging, python_logging, python_multiprocessing, protobuf]
    second = [minecraft, netstring, syslog, carbon, tfrecord, pcap, adb, rcon, zabbix, gelf, json_seq, tarantool]
    for write in first + second:
        write()
