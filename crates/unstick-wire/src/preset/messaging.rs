//! Presets of message brokers, queues and telephony.

use super::row::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Messages and queues",
    presets: &[
        Preset::binary(
            "kafka",
            "Apache Kafka",
            9092,
            "Kafka protocol guide, Common Request and Response Structure",
            "i32be",
        ),
        Preset::binary("mqtt", "MQTT 3.1.1 and 5", 1883, "OASIS MQTT 5.0, sections 1.5.5 and 2.1.4", "varint:4,off=1"),
        // A server that refuses a client sends the protocol header that it would have accepted.
        Preset::binary(
            "amqp",
            "AMQP 0-9-1 (RabbitMQ)",
            5672,
            "AMQP 0-9-1 sections 2.2.4 and 2.3.5",
            "fixed:8,if=414d5150/length:off=3,width=4,adj=1,trailer=ce",
        )
        .also(&["rabbitmq"]),
        // A protocol header. If that asked for SASL, SASL frames and a second protocol header follow.
        Preset::binary(
            "amqp1",
            "AMQP 1.0",
            5672,
            "OASIS AMQP 1.0 part 2, sections 2.2 and 2.3; part 5, section 5.3.1",
            "fixed:8,if=414d5150/length:width=4,adj=-4,header=keep,if=4:0201,times=1000/fixed:8,if=414d5150/length:width=4,adj=-4,header=keep",
        ),
        Preset::binary("pulsar", "Apache Pulsar", 6650, "Pulsar binary protocol, Framing", "u32be"),
        Preset::binary("rocketmq", "Apache RocketMQ remoting", 10911, "RocketMQ's source, NettyDecoder", "i32be"),
        Preset::binary("openwire", "ActiveMQ OpenWire", 61616, "OpenWire Version 2 Specification", "i32be"),
        Preset::binary(
            "rabbitmq-stream",
            "RabbitMQ Streams",
            5552,
            "RabbitMQ stream PROTOCOL.adoc, Frame Structure",
            "u32be",
        ),
        Preset::binary("gearman", "Gearman, binary", 4730, "Gearman PROTOCOL, Binary Packet", "length:off=8,width=4"),
        Preset::binary("smpp", "SMPP 3.4", 2775, "SMPP 3.4 section 3.2", "length:width=4,adj=-4,header=keep"),
        Preset::text("nats", "NATS", 4222, "NATS Client Protocol", "command:PUB.last:HPUB.last")
            .answers("command:MSG.last:HMSG.last"),
        Preset::text("stomp", "STOMP 1.2", 61613, "STOMP 1.2, STOMP Frames and Augmented BNF", "stomp-frame"),
        Preset::text("beanstalkd", "beanstalkd", 11300, "beanstalkd doc/protocol.txt", "command:put.4")
            .answers("command:RESERVED.2:FOUND.2:OK.1"),
        Preset::binary("zmtp", "ZMTP 3, ZeroMQ", 0, "ZMTP 3.1, Framing", "fixed:64/zmtp-frame").also(&["zeromq"]),
        Preset::binary("nanomsg", "nanomsg and nng over TCP", 0, "SP TCP mapping, sections 2 and 3", "fixed:8/u64be")
            .also(&["nng"]),
        Preset::text("fix", "FIX 4 and 5", 0, "FIX TagValue Encoding 1.1, Message structure", "fix-message"),
        // The signature of a later version has the form of a frame of this version.
        Preset::binary("zmtp1", "ZMTP 1, ZeroMQ 2", 0, "ZMTP 1.0 (ZeroMQ RFC 13), Framing", "escape:1:8"),
        Preset::text("nsq", "NSQ", 4150, "NSQ TCP Protocol Spec", "fixed:4/nsq-command").answers("u32be"),
        // Most hosts use these two bytes. Others use `ascii:4`, a length that counts itself, or add a TPDU after it.
        Preset::binary(
            "iso8583",
            "ISO 8583, after a length of two bytes (some hosts: ascii:4)",
            0,
            "ISO 8583:1987; the length is each host's own",
            "u16be",
        ),
    ],
};
