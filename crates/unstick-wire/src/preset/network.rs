//! Presets of protocols that keep a network running.

use super::row::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Networks",
    presets: &[
        Preset::binary("dns", "DNS over TCP and TLS", 53, "RFC 1035 section 4.2.2, RFC 7766 section 8", "u16be")
            .also(&["dot"]),
        Preset::binary("bgp", "BGP-4", 179, "RFC 4271 section 4.1", "length:off=16,width=2,adj=-18"),
        Preset::binary("ldp", "Label Distribution Protocol", 646, "RFC 5036 section 3.1", "length:off=2,width=2"),
        Preset::binary(
            "pcep",
            "Path Computation Element Protocol",
            4189,
            "RFC 5440 section 6.1",
            "length:off=2,width=2,adj=-4",
        ),
        Preset::binary("rpki-rtr", "RPKI to Router", 323, "RFC 8210 section 5", "length:off=4,width=4,adj=-8"),
        Preset::binary(
            "openflow",
            "OpenFlow",
            6653,
            "OpenFlow Switch Specification 1.0 section 5.1",
            "length:off=2,width=2,adj=-4",
        ),
        Preset::binary("diameter", "Diameter", 3868, "RFC 6733 section 3", "length:off=1,width=3,adj=-4"),
        Preset::binary(
            "radius",
            "RADIUS over TCP and TLS",
            2083,
            "RFC 6613 section 2.1, RFC 2865 section 3",
            "length:off=2,width=2,adj=-4",
        )
        .also(&["radsec"]),
        Preset::binary("tacacs", "TACACS+", 49, "RFC 8907 section 4.1", "length:off=8,width=4"),
        Preset::binary("kerberos", "Kerberos over TCP", 88, "RFC 4120 section 7.2.2", "i32be"),
        Preset::binary("ldap", "LDAP", 389, "RFC 4511 section 5.1, X.690 section 8.1", "ber"),
        Preset::binary("snmp", "SNMP over TCP and TLS", 161, "RFC 3430 section 2, X.690 section 8.1", "ber"),
        Preset::binary("tls", "TLS records", 443, "RFC 8446 section 5.1", "length:off=3,width=2").also(&["ssl"]),
        // Lines up to the version, packets up to NEWKEYS. Everything after that is encrypted, including the lengths.
        Preset::binary(
            "ssh",
            "SSH, to the end of the key exchange",
            22,
            "RFC 4253 sections 4.2 and 6",
            "crlf,until=5353482d/u32be,until=1:15/raw",
        ),
        Preset::binary("openvpn", "OpenVPN over TCP", 1194, "OpenVPN's source, doc_protocol_overview.h", "u16be"),
        Preset::binary("stun", "STUN over TCP and TLS", 3478, "RFC 8489 section 5", "length:off=2,width=2,adj=16"),
        Preset::binary(
            "turn",
            "TURN over TCP and TLS: STUN and ChannelData",
            3478,
            "RFC 8656 sections 12.4 and 12.5, RFC 8489 section 5",
            "turn-message",
        )
        .also(&["turn-channel"]),
        Preset::binary("rtp", "RTP and RTCP over TCP", 0, "RFC 4571 section 2", "u16be"),
        Preset::binary(
            "skinny",
            "Cisco Skinny (SCCP)",
            2000,
            "no public specification; as Wireshark and scapy read it",
            "length:width=4,endian=le,adj=4,header=keep",
        )
        .also(&["sccp"]),
        Preset::binary(
            "pcap",
            "pcap over IP, little-endian",
            57012,
            "draft-ietf-opsawg-pcap, File Header and Packet Record",
            "fixed:24/length:off=8,width=4,endian=le,adj=4",
        ),
        Preset::text(
            "syslog",
            "syslog over TCP and TLS, octet counting",
            6514,
            "RFC 6587 section 3.4.1, RFC 5425 section 4.3",
            "octet-count",
        ),
        Preset::text("gelf", "GELF over TCP", 12201, "Graylog, GELF via TCP", "null"),
    ],
};
