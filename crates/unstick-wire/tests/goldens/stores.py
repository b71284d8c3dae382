"""Databases and stores, from their own client libraries where those let their bytes be had.

pip install pymongo kazoo
"""

import struct

import bson
from kazoo.protocol.serialization import Connect, GetData
from pymongo.message import _op_msg

from golden import Golden


def mongodb():
    g = Golden("mongodb", "MongoDB wire protocol", 'MongoDB manual, "MongoDB Wire Protocol", Standard Message Header', "pymongo")
    for command in [{"hello": 1}, {"find": "shop", "filter": {"name": "alice"}}]:
        request, message, _, _ = _op_msg(0, {**command, "$db": "test"}, "test", None, bson.CodecOptions())
        # Its request number is random: a fixed one keeps this file the same.
        g.client(message[:4] + struct.pack("<i", 7) + message[8:], next(iter(command)))
    for reply in [{"ok": 1.0, "maxWireVersion": 21}, {"cursor": {"id": 0, "ns": "test.shop", "firstBatch": []}, "ok": 1.0}]:
        body = struct.pack("<IB", 0, 0) + bson.encode(reply)
        g.server(struct.pack("<iiii", 16 + len(body), 9, 7, 2013) + body, "OP_MSG")
    g.write()


def cassandra():
    g = Golden("cassandra", "Cassandra native protocol 3 and 4", "native_protocol_v4.spec section 2; by hand")

    def frame(version, stream, opcode, body):
        return struct.pack("!BBhBI", version, 0, stream, opcode, len(body)) + body

    string = lambda text: struct.pack("!H", len(text)) + text
    g.client(frame(4, 0, 5, b""), "OPTIONS: the header alone")
    g.client(frame(4, 1, 1, struct.pack("!H", 1) + string(b"CQL_VERSION") + string(b"3.0.0")), "STARTUP")
    query = b"SELECT key FROM system.local"
    g.client(frame(4, 2, 7, struct.pack("!I", len(query)) + query + struct.pack("!HB", 1, 0)), "QUERY")
    g.server(frame(0x84, 0, 6, struct.pack("!H", 1) + string(b"COMPRESSION") + struct.pack("!H", 0)), "SUPPORTED")
    g.server(frame(0x84, 1, 2, b""), "READY")
    g.server(frame(0x84, 2, 0, struct.pack("!I", 0x2200) + string(b"no such table")), "ERROR")
    g.write()


def zookeeper():
    g = Golden("zookeeper", "ZooKeeper", "ZooKeeper jute records, zookeeper.jute; ByteBuffer framing in ClientCnxnSocket", "kazoo")
    packet = lambda body: struct.pack("!i", len(body)) + bytes(body)
    g.client(packet(Connect(0, 0, 10000, 0, bytes(16), False).serialize()), "ConnectRequest", head=4)
    g.client(packet(struct.pack("!ii", 1, GetData.type) + GetData("/config", None).serialize()), "getData", head=4)
    g.client(packet(struct.pack("!ii", -2, 11)), "ping", head=4)
    g.server(packet(struct.pack("!iiqi", 0, 10000, 0x1234, 16) + bytes(16) + b"\0"), "ConnectResponse", head=4)
    g.server(packet(struct.pack("!iqi", -2, 0, 0)), "ping's reply", head=4)
    g.write()


def memcached_binary():
    g = Golden("memcached-binary", "memcached binary protocol", 'memcached BinaryProtocolRevamped, "Packet Structure"; by hand')

    def packet(magic, opcode, status=0, extras=b"", key=b"", value=b""):
        total = len(extras) + len(key) + len(value)
        return struct.pack("!BBHBBHIIQ", magic, opcode, len(key), len(extras), 0, status, total, 0, 0) + extras + key + value

    g.client(packet(0x80, 0x01, extras=struct.pack("!II", 0, 60), key=b"k", value=b"hello"), "set")
    g.client(packet(0x80, 0x00, key=b"k"), "get")
    g.client(packet(0x80, 0x07), "quit: the header alone")
    g.server(packet(0x81, 0x01), "stored")
    g.server(packet(0x81, 0x00, extras=bytes(4), value=b"hello"), "the value")
    g.write()


def elasticsearch():
    g = Golden("elasticsearch", "Elasticsearch transport", "TcpHeader and TransportKeepAlive of Elasticsearch: E S, a length of all behind it, or -1; by hand")
    for way, status in [(g.client, 0), (g.client, 0), (g.server, 1), (g.server, 1)]:
        body = struct.pack("!QBi", 1, status, 8500010) + struct.pack("!i", 2) + b"\0\0"
        way(b"ES" + struct.pack("!i", len(body)) + body, "request" if status == 0 else "response")
        way(b"ES" + struct.pack("!i", -1), "a ping: nothing follows")
    g.write()


def aerospike():
    g = Golden("aerospike", "Aerospike", "Aerospike wire protocol, proto header: version 2, type, a size of 48 bits; by hand")
    proto = lambda kind, body: bytes([2, kind]) + len(body).to_bytes(6, "big") + body
    g.client(proto(1, b"build\nedition\n"), "info")
    g.client(proto(1, b""), "info about everything: the header alone")
    g.server(proto(1, b"build\t6.4.0.1\nedition\tcommunity\n"), "info")
    g.server(proto(3, bytes([22]) + bytes(21)), "message")
    g.write()


def hadoop():
    g = Golden("hadoop", "Hadoop IPC", "Hadoop RPC, org.apache.hadoop.ipc.Server: hrpc, version 9, service class, auth protocol; by hand")
    g.client(b"hrpc" + bytes([9, 0, 0]), "the connection header: no length")
    # RpcRequestHeaderProto (delimited), then the connection context: protobuf by hand.
    header = bytes([0x08, 2, 0x10, 0, 0x18, 0xFD, 0xFF, 0xFF, 0xFF, 0x0F, 0x22, 2]) + b"id"
    body = bytes([len(header)]) + header + bytes([3, 0x1A, 1]) + b"p"
    g.client(struct.pack("!i", len(body)) + body, "connection context", head=4)
    g.client(struct.pack("!i", len(body)) + body, "a call", head=4)
    answer = bytes([4, 0x08, 0, 0x10, 0])
    g.server(struct.pack("!i", len(answer)) + answer, "success", head=4)
    g.server(struct.pack("!i", len(answer)) + answer, "success", head=4)
    g.write()


if __name__ == "__main__":
    for write in [mongodb, cassandra, zookeeper, memcached_binary, elasticsearch, aerospike, hadoop]:
        write()
