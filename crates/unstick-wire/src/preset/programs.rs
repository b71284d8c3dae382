//! Presets of protocols between programs.

use super::row::{Family, Preset};

/// A word in the machine's own byte order holds the opcode in its lower half and the size in its upper half. The size
/// counts the header.
const WAYLAND: &str =
    if cfg!(target_endian = "big") { "length:off=4,width=2,adj=-6" } else { "length:off=6,width=2,endian=le,adj=-8" };

pub(super) const FAMILY: Family = Family {
    title: "Programs and games",
    presets: &[
        Preset::text(
            "lsp",
            "Language Server Protocol, Debug Adapter Protocol",
            0,
            "LSP 3.17, Base Protocol, Header Part",
            "headers",
        )
        .also(&["dap"]),
        Preset::text(
            "native-messaging",
            "Chrome and Firefox native messaging",
            0,
            "Chrome, Native messaging protocol",
            "u32ne",
        ),
        Preset::binary(
            "python-multiprocessing",
            "Python's multiprocessing.connection",
            0,
            "CPython Lib/multiprocessing/connection.py, _send_bytes",
            "escape:4:8,sign=yes",
        ),
        Preset::binary(
            "python-logging",
            "Python's logging.handlers.SocketHandler",
            9020,
            "CPython Lib/logging/handlers.py, makePickle",
            "u32be",
        ),
        Preset::binary(
            "carbon",
            "Graphite's pickle receiver",
            2004,
            "Graphite, Feeding In Your Data, The pickle protocol",
            "u32be",
        )
        .also(&["graphite"]),
        Preset::binary(
            "docker",
            "Docker attach without a terminal (logs over HTTP/1.0)",
            2375,
            "Docker Engine API, ContainerAttach",
            "delim:0d0a0d0a/raw",
        )
        .answers("delim:0d0a0d0a,if=48545450/length:off=4,width=4"),
        Preset::text("git", "git, pkt-line", 9418, "gitprotocol-common(5), pkt-line Format", "hex:4,itself=yes")
            .also(&["pkt-line"]),
        Preset::binary(
            "adb",
            "Android ADB transport",
            5555,
            "AOSP adb protocol.txt, protocol overview and basics",
            "length:off=12,width=4,endian=le,adj=8",
        ),
        Preset::binary(
            "zabbix",
            "Zabbix",
            10051,
            "Zabbix manual, Header and data length",
            "length:off=5,width=4,endian=le,adj=4",
        ),
        Preset::binary(
            "bitcoin",
            "Bitcoin P2P",
            8333,
            "Bitcoin developer reference, Message Headers",
            "length:off=16,width=4,endian=le,adj=4",
        ),
        Preset::binary("bittorrent", "BitTorrent peer wire", 6881, "BEP 3, peer protocol", "fixed:68/u32be"),
        Preset::text(
            "adb-host",
            "Android ADB, its server on this machine",
            5037,
            "AOSP adb OVERVIEW.TXT and SERVICES.TXT",
            "hex:4",
        )
        .answers("adb-reply"),
        Preset::binary(
            "wayland",
            "Wayland, without the descriptors beside it",
            0,
            "Wayland protocol, chapter 4, Wire Format",
            WAYLAND,
        ),
        Preset::binary(
            "minecraft",
            "Minecraft Java Edition",
            25565,
            "Minecraft protocol documentation, Packet format",
            "varint:3",
        ),
        Preset::binary("rcon", "Valve Source RCON", 27015, "Valve Developer Wiki, Source RCON Protocol", "i32le"),
        Preset::text("json-seq", "JSON text sequences", 0, "RFC 7464 section 2", "json-seq"),
    ],
};
