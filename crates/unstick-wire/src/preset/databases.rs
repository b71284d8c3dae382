//! Presets of databases and stores.

use super::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Databases and stores",
    presets: &[
        Preset::binary(
            "postgres",
            "PostgreSQL 3.0",
            5432,
            "PostgreSQL documentation, Message Flow and Message Formats",
            // A client's first frames have no type byte, up to the StartupMessage; a request to encrypt is answered by
            // one bare byte.
            "length:width=4,adj=-4,header=keep,until=4:0003/length:off=1,width=4,adj=-4",
        )
        .answers("fixed:1,if=53+4e+47,times=2/length:off=1,width=4,adj=-4")
        .also(&["postgresql"]),
        Preset::text(
            "redis",
            "Redis, RESP2 and RESP3",
            6379,
            "Redis serialization protocol specification",
            "resp,inline=yes",
        )
        .answers("resp")
        .also(&["valkey"]),
    ],
};
