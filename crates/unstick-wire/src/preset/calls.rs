//! Presets of remote calls, the web and files.

use super::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Calls, web and files",
    presets: &[
        Preset::binary(
            "http2",
            "HTTP/2",
            80,
            "RFC 9113 sections 3.4 and 4.1",
            "fixed:24/length:width=3,adj=6,header=keep",
        )
        .answers("length:width=3,adj=6,header=keep")
        .also(&["h2"]),
        Preset::binary(
            "grpc",
            "gRPC messages, as they lie in HTTP/2 DATA",
            0,
            "gRPC PROTOCOL-HTTP2.md, Length-Prefixed-Message",
            "length:off=1,width=4",
        ),
        Preset::binary("thrift", "Apache Thrift, framed", 9090, "thrift-rpc.md, Framed transport", "i32be"),
        Preset::binary("dubbo", "Apache Dubbo", 20880, "Dubbo protocol, Protocol Details", "length:off=12,width=4"),
        Preset::binary(
            "giop",
            "CORBA GIOP and IIOP",
            683,
            "OMG CORBA 3.3 part 2, section 9.4.1",
            "length:off=8,width=4,endian=6:01",
        )
        .also(&["iiop"]),
        Preset::binary("fastcgi", "FastCGI", 9000, "FastCGI 1.0 section 3.3", "length:off=4,width=2,adj=2,plus=6:1"),
        Preset::binary(
            "nfs",
            "ONC RPC and NFS, record marking",
            2049,
            "RFC 5531 section 11",
            "length:width=4,mask=7fffffff,last=0:80",
        )
        .also(&["onc-rpc"]),
        Preset::binary("smb", "SMB 2 and 3 over TCP", 445, "MS-SMB2 section 2.1", "length:off=1,width=3,head=00000000"),
        Preset::binary(
            "netbios",
            "NetBIOS session service",
            139,
            "RFC 1002 section 4.3.1",
            "length:off=1,width=3,mask=01ffff",
        ),
        Preset::binary("9p", "9P2000", 564, "Plan 9 intro(5)", "length:width=4,endian=le,adj=-4,header=keep"),
        Preset::binary(
            "iscsi",
            "iSCSI, without digests",
            3260,
            "RFC 7143 section 11.2",
            "length:off=5,width=3,adj=40,plus=4:1:4,align=4",
        ),
        Preset::binary(
            "protobuf",
            "Protocol Buffers, delimited",
            0,
            "Protocol Buffers, Streaming Multiple Messages",
            "varint",
        ),
        Preset::text("netstring", "netstrings", 0, "https://cr.yp.to/proto/netstrings.txt", "netstring"),
    ],
};
