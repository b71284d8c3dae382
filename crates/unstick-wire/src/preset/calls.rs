//! Presets of remote calls, the web and files.

use super::row::{Family, Preset};

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
        Preset::binary("thrift", "Apache Thrift, framed", 9090, "thrift-rpc.md, Framed vs. unframed transport", "i32be"),
        Preset::binary("dubbo", "Apache Dubbo", 20880, "Dubbo protocol, Protocol Details; ExchangeCodec", "length:off=12,width=4"),
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
            "rtmp",
            "RTMP, chunk by chunk",
            1935,
            "Adobe RTMP 1.0 sections 5.2 and 5.3",
            "fixed:1537/fixed:1536/rtmp-chunk",
        ),
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
        Preset::binary("websocket", "WebSocket frames, after the handshake", 80, "RFC 6455 section 5.2", "delim:0d0a0d0a/websocket-frame"),
        Preset::binary("coap", "CoAP over TCP and TLS", 5683, "RFC 8323 section 3.2", "coap-frame"),
        // Lines up to BEGIN; after it, headers in the byte order that their first letter names, l or B.
        Preset::binary("dbus", "D-Bus", 0, "D-Bus specification, Authentication Protocol and Message Format", "fixed:1/crlf,until=424547494e/length:off=4,width=4,endian=0:08,adj=8,plus=12:4:1:8").answers("crlf,if=4f4b+44415441+52454a+4552524f52+4147524545,times=1000/length:off=4,width=4,endian=0:08,adj=8,plus=12:4:1:8"),
        Preset::binary("dcerpc", "DCE/RPC", 135, "DCE 1.1 Remote Procedure Call, chapter 12", "length:off=8,width=2,endian=4:10,adj=-10").also(&["msrpc"]),
        Preset::binary("x11", "X11", 6000, "X Window System Protocol, chapters 1 and 8; Big Requests extension", "x11-message:client").answers("x11-message:server"),
        // Lengths have two bytes in the handshake, which ends with the reply to a challenge and its acknowledgement.
        Preset::binary("erlang", "Erlang distribution", 0, "ERTS User's Guide, Distribution Handshake", "u16be,until=72/u32be").answers("u16be,until=61/u32be"),
    ],
};
