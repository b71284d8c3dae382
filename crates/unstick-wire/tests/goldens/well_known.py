"""PostgreSQL, Redis, MQTT, DNS and Kafka: clients' bytes from their libraries, and what servers answer.

pip install scapy redis dnspython kafka-python
"""

import dns.message
import dns.rrset
import struct
from kafka.protocol.metadata import ApiVersionsRequest, MetadataRequest
from redis._parsers import Encoder
from redis.connection import PythonRespSerializer
from scapy.contrib import mqtt

from golden import Golden


def postgres():
    g = Golden(
        "postgres",
        "PostgreSQL frontend/backend protocol 3.0",
        'PostgreSQL documentation, "Message Flow" and "Message Formats" (protocol-flow, protocol-message-formats)',
    )

    def message(kind, body):
        return kind + struct.pack("!I", len(body) + 4) + body

    g.client(struct.pack("!II", 8, 80877103), "SSLRequest: no type byte")
    g.server(b"N", "no TLS: one bare byte")
    g.client(message(b"", b"\0\x03\0\0user\0alice\0database\0shop\0\0"), "StartupMessage 3.0: no type byte")
    g.server(message(b"R", struct.pack("!I", 0)), "AuthenticationOk")
    g.server(message(b"S", b"server_version\x0015.6\0"), "ParameterStatus")
    g.server(message(b"K", struct.pack("!II", 4711, 0x01020304)), "BackendKeyData")
    g.server(message(b"Z", b"I"), "ReadyForQuery")
    g.client(message(b"Q", b"SELECT 6 * 7\0"), "Query")
    field = b"?column?\0" + struct.pack("!IhIhih", 0, 0, 23, 4, -1, 0)
    g.server(message(b"T", struct.pack("!h", 1) + field), "RowDescription")
    g.server(message(b"D", struct.pack("!hI", 1, 2) + b"42"), "DataRow")
    g.server(message(b"C", b"SELECT 1\0"), "CommandComplete")
    g.server(message(b"Z", b"I"), "ReadyForQuery")
    g.client(message(b"X", b""), "Terminate")
    g.write()


def redis():
    g = Golden(
        "redis",
        "Redis, RESP2 and RESP3",
        'Redis serialization protocol specification, "RESP protocol description"; inline commands: "Inline commands"',
        "redis",
    )
    pack = lambda *words: b"".join(PythonRespSerializer(6000, Encoder("utf-8", "strict", False).encode).pack(*words))
    g.client(pack("HELLO", "3"), "an array of bulk strings", head=0, tail=2)
    g.client(pack("SET", "greeting", b"two\r\nlines"), "CRLF inside of a bulk string", head=0, tail=2)
    g.client(b"PING\r\n", "an inline command", head=0, tail=2)
    for reply, note in [
        (b"+PONG\r\n", "simple string"),
        (b"-ERR unknown command 'foo'\r\n", "simple error"),
        (b":1000\r\n", "integer"),
        (b"$5\r\nhello\r\n", "bulk string"),
        (b"$0\r\n\r\n", "the empty bulk string"),
        (b"$-1\r\n", "null bulk string of RESP2"),
        (b"*-1\r\n", "null array of RESP2"),
        (b"*0\r\n", "the empty array"),
        (b"*3\r\n:1\r\n$3\r\n\r\n!\r\n*2\r\n+a\r\n-b\r\n", "arrays inside of arrays"),
        (b"_\r\n", "null of RESP3"),
        (b"#t\r\n", "boolean"),
        (b",1.23\r\n", "double"),
        (b"(3492890328409238509324850943850943825024385\r\n", "big number"),
        (b"!21\r\nSYNTAX invalid syntax\r\n", "bulk error"),
        (b"=15\r\ntxt:Some string\r\n", "verbatim string"),
        (b"%2\r\n+first\r\n:1\r\n+second\r\n*1\r\n:2\r\n", "map: twice as many values"),
        (b"~2\r\n:1\r\n#f\r\n", "set"),
        (b">3\r\n+message\r\n+news\r\n+hi\r\n", "push"),
        (b"|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n:2\r\n", "attributes, and the value that they belong to"),
    ]:
        g.server(reply, note, head=0, tail=2)
    g.write()


def mqtt_():
    g = Golden("mqtt", "MQTT 3.1.1", "OASIS MQTT 3.1.1, sections 2.2 and 3", "scapy")
    connect = mqtt.MQTT() / mqtt.MQTTConnect(protoname=b"MQTT", protolevel=4, cleansess=1, klive=60, clientId=b"sensor1")
    g.client(bytes(connect), "CONNECT")
    g.server(bytes(mqtt.MQTT() / mqtt.MQTTConnack()), "CONNACK")
    g.client(bytes(mqtt.MQTT(QOS=1) / mqtt.MQTTSubscribe(msgid=1, topics=[mqtt.MQTTTopicQOS(topic="a/b", QOS=1)])), "SUBSCRIBE")
    g.server(bytes(mqtt.MQTT() / mqtt.MQTTSuback(msgid=1, retcodes=[1])), "SUBACK")
    long = mqtt.MQTT() / mqtt.MQTTPublish(topic="a/b", value=b"x" * 200)
    g.server(bytes(long), "PUBLISH, its length in two bytes")
    g.client(b"\xc0\x00", "PINGREQ: nothing behind its length (section 3.12)")
    g.server(b"\xd0\x00", "PINGRESP")
    g.client(b"\xe0\x00", "DISCONNECT")
    g.write()


def dns_():
    g = Golden("dns", "DNS over TCP and TLS", "RFC 1035 section 4.2.2, RFC 7766 section 8, RFC 7858", "dnspython")
    query = dns.message.make_query("example.test", "A", id=0x1234)
    answer = dns.message.make_response(query)
    answer.answer.append(dns.rrset.from_text("example.test.", 60, "IN", "A", "192.0.2.7"))
    big = dns.message.make_response(dns.message.make_query("big.test", "TXT", id=0x4321))
    big.answer.append(dns.rrset.from_text("big.test.", 60, "IN", "TXT", *[f'"{"y" * 250}"'] * 3))
    framed = lambda message: struct.pack("!H", len(message.to_wire())) + message.to_wire()
    g.client(framed(query), "example.test A?", head=2)
    g.client(framed(dns.message.make_query("big.test", "TXT", id=0x4321)), "a second query before the first answer", head=2)
    g.server(framed(answer), "192.0.2.7", head=2)
    g.server(framed(big), "a length that needs both bytes of it", head=2)
    g.write()


def kafka_():
    g = Golden("kafka", "Apache Kafka", 'Kafka protocol guide, "Protocol", size = int32', "kafka-python")
    # Its `framed` writes the four bytes of the size too.
    versions = ApiVersionsRequest(version=0)
    versions.with_header(correlation_id=1, client_id="shop")
    g.client(versions.encode(version=0, header=True, framed=True), "ApiVersions request", head=4)
    metadata = MetadataRequest(version=1, topics=None)
    metadata.with_header(correlation_id=2, client_id="shop")
    g.client(metadata.encode(version=1, header=True, framed=True), "Metadata request, before the first answer", head=4)
    body = struct.pack("!ihi", 1, 0, 2) + struct.pack("!hhh", 3, 0, 9) + struct.pack("!hhh", 18, 0, 3)
    g.server(struct.pack("!i", len(body)) + body, "ApiVersions response, version 0, by hand", head=4)
    g.write()


if __name__ == "__main__":
    postgres()
    redis()
    mqtt_()
    dns_()
    kafka_()
