"""Which protocol the servers in other people's captures speak.

For captures of nDPI it is what nDPI found in the packets (tests/result/*.out, "Confidence: DPI"), and not by port or address. For the
others it is the beginning of the file's name, where it is one of NAMES (WIRESHARK for its own), else the server's port, where it is one of PORTS.
"""

import collections
import re

# What nDPI calls it, and the presets that are right; "=SPEC" is a framing without a name that cuts at the right places.
LABELS = {
    "AMQP": "amqp amqp1 =length:off=3,width=4,adj=1", "ApplePush": "tls", "BGP": "bgp", "BitTorrent": "bittorrent", "Cassandra": "cassandra cassandra5",
    "CiscoSkinny": "skinny", "Corba": "giop", "DCE_RPC": "dcerpc", "DNP3": "dnp3", "DNS": "dns", "DRDA": "=u16be,adj=-2",
    "Diameter": "diameter", "EthernetIP": "enip", "FIX": "fix", "FTP_CONTROL": "=crlf", "Git": "git", "H323": "tpkt",
    "HTTP": "http websocket", "HTTP_Connect": "http", "HTTP_Proxy": "http", "IEC60870": "iec104", "IMAP": "=crlf",
    "IMAPS": "tls =crlf", "IRC": "irc", "Kerberos": "kerberos", "LDAP": "ldap", "MQTT": "mqtt", "Memcached": "memcached",
    "Modbus": "modbus", "MongoDB": "mongodb", "MsSQL-TDS": "tds", "MySQL": "mysql", "NFS": "nfs", "Nats": "nats",
    "NetBIOS": "netbios smb", "OCSP": "http", "OpenVPN": "openvpn", "Oracle": "tns", "POP3": "=crlf", "POPS": "tls =crlf",
    "PostgreSQL": "postgres", "RDP": "tpkt tls", "RPC": "nfs", "RTMP": "rtmp", "RTSP": "rtsp", "Radius": "radius",
    "Redis": "redis", "S7Comm": "tpkt", "SIP": "sip", "SMBv1": "smb netbios", "SMBv23": "smb", "SMTP": "smtp", "SMTPS": "smtp tls",
    "SOAP": "http", "SSH": "ssh", "STOMP": "stomp", "Syslog": "syslog =line", "TACACS": "tacacs", "TLS": "tls", "TPKT": "tpkt",
    "WebSocket": "websocket", "Whois-DAS": "=line =crlf", "ZeroMQ": "zmtp zmtp1",
}

# Labels of what has no framing: the right answer is none, or that it is text, in lines.
UNFRAMED = {"VNC", "Telnet", "Skype_Teams", "Starcraft", "SOCKS", "FTP_DATA", "TeamViewer", "AnyDesk", "RemoteDesktop", "Tor", "Zeros"}

PORTS = {
    22: "SSH", 25: "SMTP", 49: "TACACS", 53: "DNS", 80: "HTTP", 88: "Kerberos", 111: "RPC", 139: "NetBIOS", 179: "BGP", 389: "LDAP",
    443: "TLS", 445: "SMBv1", 554: "RTSP", 646: "LDP", 1883: "MQTT", 2049: "NFS", 3868: "Diameter", 5060: "SIP", 6379: "Redis",
    6633: "OpenFlow", 6653: "OpenFlow", 8080: "HTTP", 323: "RPKI", 282: "RPKI",
}
LABELS |= {"HTTP2": "http2", "gRPC-Web": "http http2", "LDP": "ldp", "OpenFlow": "openflow", "RPKI": "rpki-rtr"}

# Captures that are named after their protocol, whatever the port.
NAMES = {"bgp": "BGP"}

# The same for those of Wireshark, of which most are.
WIRESHARK = {
    "dhe1": "TLS", "dns": "DNS", "git": "Git", "grpc_web": "gRPC-Web", "grpc": "HTTP2", "http2": "TLS", "http": "HTTP", "packet-h2": "HTTP2", "retrans-tls": "TLS",
    "rsa": "TLS", "sip": "SIP", "smb": "SMBv23", "tcp-exp": "Zeros", "tls": "TLS",
}


def ndpi_labels(path):
    """Server or client address -> what nDPI found in the packets of its flows."""
    result = path.parent.parent / "result" / (path.name + ".out")
    found = collections.defaultdict(collections.Counter)
    if result.exists():
        for line in result.read_text(errors="replace").splitlines():
            flow = re.match(r"^\t\d+\tTCP (\S+) (?:<->|->) (\S+) \[proto: [^/]*/([^\]]*)\]", line)
            if flow and re.search(r"Confidence: DPI( \(cache\))?\]", line):
                for end in flow[1], flow[2]:
                    found[end][flow[3].split(".")[0]] += 1
    return found


def label_of(path, server, found):
    """The label of a server (`address:port`) of this capture, or None. `found` is what `ndpi_labels` returned."""
    if "ndpi" in str(path).lower():
        of_server = found.get(server)
        return of_server.most_common(1)[0][0] if of_server else None
    names = WIRESHARK if "wireshark" in str(path).lower() else NAMES
    named = next((label for name, label in names.items() if path.name.startswith(name)), None)
    return named or PORTS.get(int(server.rsplit(":", 1)[1]))
