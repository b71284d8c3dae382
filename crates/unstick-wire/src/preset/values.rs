//! Presets of formats whose values show where they end.

use super::row::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Values on a stream",
    presets: &[
        Preset::binary(
            "messagepack",
            "MessagePack values: MessagePack-RPC, Fluentd's forward",
            24224,
            "MessagePack specification, Formats",
            "messagepack-value",
        )
        .also(&["msgpack-rpc", "fluentd"]),
        Preset::binary("cbor", "CBOR sequences", 0, "RFC 8949 section 3, RFC 8742", "cbor-item"),
        Preset::binary(
            "capnproto",
            "Cap'n Proto, messages on a stream",
            0,
            "Cap'n Proto encoding spec, Serialization Over a Stream",
            "capnproto-message",
        )
        .also(&["capnp"]),
        Preset::binary(
            "arrow",
            "Arrow IPC streams",
            0,
            "Arrow columnar format, Encapsulated message format",
            "arrow-message",
        ),
    ],
};
