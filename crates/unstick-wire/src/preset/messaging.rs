//! Presets of message brokers and queues.

use super::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Messages and queues",
    presets: &[
        Preset::binary("kafka", "Apache Kafka", 9092, "Kafka protocol guide, Protocol", "i32be"),
        Preset::binary("mqtt", "MQTT 3.1.1 and 5", 1883, "OASIS MQTT 5.0, sections 1.5.5 and 2.1.4", "varint:4,off=1"),
    ],
};
