//! Presets of databases and stores.

use super::row::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Databases and stores",
    presets: &[
        // A client's first frames, up to the StartupMessage, have no type byte. The server answers a request to encrypt
        // with one byte.
        Preset::binary(
            "postgres",
            "PostgreSQL 3.0",
            5432,
            "PostgreSQL 15 documentation, sections 55.2 and 55.7",
            "length:width=4,adj=-4,header=keep,until=4:0003/length:off=1,width=4,adj=-4",
        )
        .answers("fixed:1,if=53+4e+47,times=2/length:off=1,width=4,adj=-4")
        .also(&["postgresql"]),
        Preset::binary(
            "mysql",
            "MySQL and MariaDB",
            3306,
            "MySQL internals, page_protocol_basic_packets",
            "length:width=3,endian=le,adj=1,header=keep,last=full",
        )
        .also(&["mariadb"]),
        Preset::binary("tds", "SQL Server TDS", 1433, "MS-TDS section 2.2.3", "length:off=2,width=2,adj=-4,last=1:01")
            .also(&["sqlserver"]),
        // The handshake has no chunks. It holds a version, or since 5.7 a manifest of versions, from which the client
        // chooses.
        Preset::binary(
            "bolt",
            "Neo4j Bolt",
            7687,
            "Bolt handshake specification, Manifest v1; message specification, Chunking",
            "fixed:20/fixed:5,if=0000/length:width=2,last=empty",
        )
        .answers("length:off=4,width=1,unit=4,adj=1,if=000001ff/fixed:4,if=0000/length:width=2,last=empty")
        .also(&["neo4j"]),
        Preset::binary(
            "mongodb",
            "MongoDB",
            27017,
            "MongoDB manual, Wire Protocol, Standard Message Header",
            "length:width=4,endian=le,adj=-4,header=keep",
        )
        .also(&["mongo"]),
        Preset::text(
            "redis",
            "Redis, RESP2 and RESP3",
            6379,
            "Redis serialization protocol specification",
            "resp,inline=yes",
        )
        .answers("resp")
        .also(&["valkey"]),
        Preset::text(
            "memcached",
            "memcached, text and meta commands",
            11211,
            "memcached protocol.txt, Storage, Retrieval and Meta commands",
            "command:set.4:add.4:replace.4:append.4:prepend.4:cas.4:ms.2",
        )
        .answers("command:VALUE.3:VA.1"),
        Preset::binary(
            "memcached-binary",
            "memcached, binary protocol",
            11211,
            "memcached BinaryProtocolRevamped, Packet Structure",
            "length:off=8,width=4,adj=12",
        ),
        Preset::binary(
            "cassandra",
            "Cassandra native protocol 3 and 4",
            9042,
            "native_protocol_v4.spec section 2",
            "length:off=5,width=4",
        )
        .also(&["cql"]),
        // Envelopes of version 4 up to STARTUP and its answer; after them, frames with two checksums.
        Preset::binary(
            "cassandra5",
            "Cassandra native protocol 5, uncompressed",
            9042,
            "native_protocol_v5.spec sections 2.1 and 2.3.1",
            "length:off=5,width=4,until=4:01/length:width=3,endian=le,mask=01ffff,adj=7,header=keep",
        )
        .answers("length:off=5,width=4,until=4:02+03/length:width=3,endian=le,mask=01ffff,adj=7,header=keep"),
        Preset::binary(
            "elasticsearch",
            "Elasticsearch transport",
            9300,
            "Elasticsearch's source, TcpHeader and TransportKeepAlive",
            "length:off=2,width=4,sign=yes,none=ffffffff",
        ),
        Preset::binary("zookeeper", "ZooKeeper", 2181, "ZooKeeper's source, ClientCnxnSocket", "i32be"),
        Preset::binary("aerospike", "Aerospike", 3000, "Aerospike's C client, as_proto.h", "length:off=2,width=6"),
        Preset::binary(
            "tarantool",
            "Tarantool IPROTO",
            3301,
            "Tarantool manual, Request and response format, Size",
            "msgpack",
        )
        .answers("fixed:128/msgpack"),
        Preset::binary("hadoop", "Hadoop IPC", 8020, "org.apache.hadoop.ipc.Server, RpcHeader", "fixed:7/i32be")
            .answers("i32be"),
        Preset::binary(
            "tfrecord",
            "TFRecord files",
            0,
            "TensorFlow's source, record_writer.h",
            "length:width=8,endian=le,adj=8,header=keep",
        ),
        Preset::binary(
            "tns",
            "Oracle Net (TNS)",
            1521,
            "no public specification; as python-oracledb and Wireshark read it",
            "tns-packet",
        )
        .also(&["oracle"]),
    ],
};
