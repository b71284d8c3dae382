"""Brokers and queues, from their own client libraries where those let their bytes be had.

pip install pika python-qpid-proton
"""

import struct

import pika.spec
from pika.frame import Heartbeat, Method, ProtocolHeader
from proton import Connection, Transport

from golden import Golden


def amqp():
    g = Golden("amqp", "AMQP 0-9-1", "AMQP 0-9-1 sections 2.2.4 (protocol header) and 2.3.5 (frames)", "pika")
    g.client(ProtocolHeader().marshal(), "the protocol header: no frame")
    tune = pika.spec.Connection.TuneOk(channel_max=2047, frame_max=131072, heartbeat=60)
    g.client(Method(0, tune).marshal(), "Connection.TuneOk", head=0, tail=1)
    g.client(Method(0, pika.spec.Connection.Open("/")).marshal(), "Connection.Open", head=0, tail=1)
    g.client(Heartbeat().marshal(), "heartbeat: no payload", head=0, tail=1)
    start = pika.spec.Connection.Start(server_properties={"product": "shop"}, mechanisms="PLAIN", locales="en_US")
    g.server(Method(0, start).marshal(), "Connection.Start", head=0, tail=1)
    g.server(Method(0, pika.spec.Connection.Tune(2047, 131072, 60)).marshal(), "Connection.Tune", head=0, tail=1)
    g.server(b"\x03\0\x01\0\0\0\x05he\xcelo\xce", "a body with the end byte in it, by hand", head=0, tail=1)
    g.write()


def amqp10():
    g = Golden("amqp1", "AMQP 1.0", "OASIS AMQP 1.0 part 2, sections 2.2 and 2.3; part 5, section 5.3.1 (SASL)", "python-qpid-proton")
    ends = []
    for mode, name in [(Transport.CLIENT, "shop"), (Transport.SERVER, "bank")]:
        end, connection = Transport(mode), Connection()
        connection.container = name
        end.sasl().allowed_mechs("ANONYMOUS")
        end.bind(connection)
        connection.open()
        ends.append([end, b""])
    # Each is given what the other has to say, until both have said all.
    for _ in range(8):
        for me, you in [ends, ends[::-1]]:
            while (count := me[0].pending()) > 0:
                said = me[0].peek(count)
                me[0].pop(len(said))
                me[1] += said
                you[0].push(said)
    for way, (_, said) in zip([g.client, g.server], ends):
        while said:
            # A protocol header has eight bytes and no length: one before SASL, one behind it.
            is_header = said.startswith(b"AMQP")
            length = 8 if is_header else struct.unpack("!I", said[:4])[0]
            kind = "a protocol header: no frame" if is_header else ["open", "SASL"][said[5]]
            way(said[:length], kind)
            said = said[length:]
        way(struct.pack("!IBBH", 8, 2, 0, 0), "an empty frame: idle; by hand")
    g.write()


def pulsar():
    g = Golden("pulsar", "Apache Pulsar", 'Pulsar binary protocol specification, "Framing"; by hand')
    # BaseCommand: type = CONNECT (2), connect = { client_version, protocol_version }.
    connect = bytes([0x08, 2, 0x12, 10, 0x0A, 6]) + b"client" + bytes([0x20, 12])
    ping = bytes([0x08, 18, 0x9A, 1, 0])
    connected = bytes([0x08, 3, 0x1A, 8, 0x0A, 6]) + b"server"
    frame = lambda command: struct.pack("!II", 4 + len(command), len(command)) + command
    g.client(frame(connect), "CONNECT", head=4)
    g.client(frame(ping), "PING", head=4)
    g.server(frame(connected), "CONNECTED", head=4)
    g.server(frame(ping), "PING", head=4)
    g.write()


def rocketmq():
    g = Golden("rocketmq", "Apache RocketMQ remoting", 'RocketMQ "Communication Mechanism": total length, header length, header, body; by hand')
    for way, flag in [(g.client, 0), (g.client, 0), (g.server, 1), (g.server, 1)]:
        header = b'{"code":105,"flag":%d,"language":"JAVA","opaque":1,"version":401}' % flag
        way(struct.pack("!II", 4 + len(header) + 2, len(header)) + header + b"{}", "", head=4)
    g.write()


def openwire():
    g = Golden("openwire", "ActiveMQ OpenWire", 'ActiveMQ "OpenWire Version 2 Specification": size, type; by hand')
    info = b"\x01" + b"ActiveMQ" + struct.pack("!I", 1) + b"\x01" + struct.pack("!I", 0)
    for way in [g.client, g.server]:
        way(struct.pack("!I", len(info)) + info, "WireFormatInfo", head=4)
        way(struct.pack("!I", 2) + b"\x0a\0", "KeepAliveInfo", head=4)
    g.write()


def rabbitmq_stream():
    g = Golden("rabbitmq-stream", "RabbitMQ Streams", "RabbitMQ stream PROTOCOL.adoc, Frame Structure; by hand")
    properties = struct.pack("!I", 1) + struct.pack("!H", 7) + b"product" + struct.pack("!H", 4) + b"shop"
    peer = struct.pack("!HHI", 0x0011, 1, 1) + properties
    g.client(struct.pack("!I", len(peer)) + peer, "PeerProperties", head=4)
    g.client(struct.pack("!IHH", 4, 23, 1), "Heartbeat", head=4)
    answer = struct.pack("!HHIH", 0x8011, 1, 1, 1) + properties
    g.server(struct.pack("!I", len(answer)) + answer, "PeerPropertiesResponse", head=4)
    g.server(struct.pack("!IHH", 4, 23, 1), "Heartbeat", head=4)
    g.write()


def gearman():
    g = Golden("gearman", "Gearman binary protocol", 'Gearman PROTOCOL, "Binary Packet"; by hand')
    packet = lambda magic, kind, data: struct.pack("!4sII", magic, kind, len(data)) + data
    g.client(packet(b"\0REQ", 7, b"reverse\0id\0hello"), "SUBMIT_JOB")
    g.client(packet(b"\0REQ", 16, b""), "ECHO_REQ without data")
    g.server(packet(b"\0RES", 8, b"H:host:1"), "JOB_CREATED")
    g.server(packet(b"\0RES", 13, b"H:host:1\0olleh"), "WORK_COMPLETE")
    g.write()


if __name__ == "__main__":
    for write in [amqp, amqp10, pulsar, rocketmq, openwire, rabbitmq_stream, gearman]:
        write()
