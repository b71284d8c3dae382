"""What keeps networks running, mostly as scapy builds it; a real TLS handshake from Python's ssl.

pip install scapy
"""

import logging
import ssl
import struct
import subprocess
import tempfile

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.contrib import bgp, diameter, ldp, openflow, rtr, skinny, stun  # noqa: E402
from scapy.contrib.automotive import doip, someip  # noqa: E402
from scapy.layers import netbios, radius, rtp  # noqa: E402

from golden import Golden  # noqa: E402


def bgp_():
    g = Golden("bgp", "BGP-4", "RFC 4271 section 4.1; up to 65535 bytes: RFC 8654", "scapy")
    opening = bgp.BGPHeader(type=1) / bgp.BGPOpen(my_as=65001, hold_time=180, bgp_id="192.0.2.1")
    g.client(bytes(opening), "OPEN")
    g.client(bytes(bgp.BGPKeepAlive()), "KEEPALIVE: the header alone")
    g.server(bytes(bgp.BGPHeader(type=1) / bgp.BGPOpen(my_as=65002, hold_time=90, bgp_id="192.0.2.2")), "OPEN")
    g.server(bytes(bgp.BGPKeepAlive()), "KEEPALIVE")
    g.server(bytes(bgp.BGPHeader(type=3) / bgp.BGPNotification(error_code=6, error_subcode=2)), "NOTIFICATION")
    g.write()


def ldp_():
    g = Golden("ldp", "Label Distribution Protocol", "RFC 5036 sections 3.1 and 3.5", "scapy")

    def pdu(*messages):
        # RFC 5036 section 3.1: version 1, then the length of all behind it, with the LDP identifier of 6 bytes.
        body = bytes([192, 0, 2, 1, 0, 0]) + b"".join(bytes(m) for m in messages)
        return struct.pack("!HH", 1, len(body)) + body

    g.client(pdu(ldp.LDPInit(id=1, params=[180, 0, 0, 0, 0, "192.0.2.2", 0])), "Initialization")
    g.client(pdu(ldp.LDPKeepAlive(id=2), ldp.LDPKeepAlive(id=3)), "one PDU with two messages")
    g.server(pdu(ldp.LDPKeepAlive(id=7)), "KeepAlive")
    g.server(pdu(ldp.LDPKeepAlive(id=8)), "KeepAlive")
    g.write()


def diameter_():
    g = Golden("diameter", "Diameter", "RFC 6733 section 3", "scapy")
    # Capabilities-Exchange with Origin-Host (264) and Origin-Realm (296), AVPs by hand: RFC 6733 section 4.1.
    def avp(code, data):
        pad = -len(data) % 4
        return struct.pack("!IB3s", code, 0x40, (8 + len(data)).to_bytes(3, "big")) + data + bytes(pad)

    avps = avp(264, b"client.example.test") + avp(296, b"example.test")
    request = bytes(diameter.DiamG(drCode=257, drFlags=0x80, drHbHId=1, drEtEId=2, drLen=20 + len(avps))) + avps
    g.client(request, "Capabilities-Exchange-Request")
    g.client(bytes(diameter.DiamG(drCode=280, drFlags=0x80, drHbHId=3, drEtEId=4)), "Device-Watchdog-Request, no AVP")
    answer = avp(268, struct.pack("!I", 2001)) + avp(264, b"server.example.test")
    g.server(bytes(diameter.DiamG(drCode=257, drHbHId=1, drEtEId=2, drLen=20 + len(answer))) + answer, "the answer")
    g.server(bytes(diameter.DiamG(drCode=280, drHbHId=3, drEtEId=4)), "Device-Watchdog-Answer")
    g.write()


def radius_():
    g = Golden("radius", "RADIUS over TCP and TLS", "RFC 6613 section 2.1, RFC 2865 section 3", "scapy")
    names = [radius.RadiusAttribute(type=1, value=b"alice")]
    g.client(bytes(radius.Radius(code=1, id=7, authenticator=bytes(range(16)), attributes=names)), "Access-Request")
    g.client(bytes(radius.Radius(code=12, id=8, authenticator=bytes(16))), "Status-Server: the header alone")
    g.server(bytes(radius.Radius(code=2, id=7, authenticator=bytes(range(16, 32)))), "Access-Accept")
    g.server(bytes(radius.Radius(code=3, id=8, authenticator=bytes(16))), "Access-Reject")
    g.write()


def tacacs():
    g = Golden("tacacs", "TACACS+", "RFC 8907 sections 4.1, 5.1, 5.2 and 5.3; by hand, with TAC_PLUS_UNENCRYPTED_FLAG")

    def packet(sequence, body):
        return struct.pack("!BBBBII", 0xC0, 1, sequence, 1, 0x01020304, len(body)) + body

    start = bytes([1, 0, 1, 1, 5, 4, 9, 0]) + b"alicetty0192.0.2.9"
    g.client(packet(1, start), "authentication START")
    g.client(packet(3, struct.pack("!HHB", 6, 0, 0) + b"secret"), "CONTINUE")
    g.server(packet(2, struct.pack("!BBHH", 5, 1, 10, 0) + b"Password: "), "REPLY: GETPASS")
    g.server(packet(4, struct.pack("!BBHH", 1, 0, 0, 0)), "REPLY: PASS")
    g.write()


def openflow_():
    g = Golden("openflow", "OpenFlow", "OpenFlow Switch Specification 1.0, section 5.1 (ofp_header)", "scapy")
    g.client(bytes(openflow.OFPTHello(xid=1)), "HELLO")
    g.client(bytes(openflow.OFPTEchoRequest(xid=2) / b"payload"), "ECHO_REQUEST")
    g.server(bytes(openflow.OFPTHello(xid=1)), "HELLO")
    g.server(bytes(openflow.OFPTFeaturesRequest(xid=3)), "FEATURES_REQUEST")
    g.write()


def rpki():
    g = Golden("rpki-rtr", "RPKI to Router", "RFC 8210 section 5", "scapy")
    g.client(bytes(rtr.RTRResetQuery()), "Reset Query")
    g.client(bytes(rtr.RTRSerialQuery(session_id=1, serial_number=42)), "Serial Query")
    g.server(bytes(rtr.RTRCacheResponse(session_id=1)), "Cache Response")
    prefix = rtr.RTRIPv4Prefix(flags=1, shortest_length=24, longest_length=24, prefix="192.0.2.0", asn=65001)
    g.server(bytes(prefix), "IPv4 Prefix")
    g.server(bytes(rtr.RTREndofDatav1(session_id=1, serial_number=43)), "End of Data")
    g.write()


def pcep():
    g = Golden("pcep", "Path Computation Element Protocol", "RFC 5440 sections 6.1, 6.2 and 7.3, by hand")
    # Common header: version 1 in the top three bits, type, length with the header.
    opening = struct.pack("!BBH", 0x01 << 4, 1 << 4, 8) + struct.pack("!BBBB", 0x20, 30, 120, 1)
    g.client(struct.pack("!BBH", 0x20, 1, 4 + len(opening)) + opening, "Open, with its OPEN object")
    g.client(struct.pack("!BBH", 0x20, 2, 4), "Keepalive: the header alone")
    g.server(struct.pack("!BBH", 0x20, 1, 4 + len(opening)) + opening, "Open")
    g.server(struct.pack("!BBH", 0x20, 2, 4), "Keepalive")
    g.write()


def stun_():
    g = Golden("stun", "STUN over TCP and TLS", "RFC 8489 section 5", "scapy")
    g.client(bytes(stun.STUN(stun_message_type="Binding request", transaction_id=0x0102030405060708090A0B0C)), "no attribute")
    name = stun.STUNUsername(username=b"abcd")
    with_name = stun.STUN(stun_message_type="Binding request", transaction_id=2, attributes=[name])
    g.client(bytes(with_name), "with USERNAME")
    address = stun.STUNXorMappedAddress(xport=54321, xip="192.0.2.7")
    g.server(bytes(stun.STUN(stun_message_type="Binding success response", transaction_id=1, attributes=[address])), "")
    g.server(bytes(stun.STUN(stun_message_type="Binding success response", transaction_id=2)), "no attribute")
    g.write()


def rtp_():
    g = Golden("rtp", "RTP and RTCP over TCP", "RFC 4571 section 2", "scapy")
    for way, sequence in [(g.client, 1), (g.client, 2), (g.server, 9), (g.server, 10)]:
        packet = bytes(rtp.RTP(payload_type=0, sequence=sequence, timestamp=160 * sequence, sourcesync=0x1234) / (b"\xd5" * 20))
        way(struct.pack("!H", len(packet)) + packet, f"PCMU, sequence {sequence}", head=2)
    g.write()


def netbios_():
    g = Golden("netbios", "NetBIOS session service", "RFC 1002 section 4.3: a type, 7 flags, a length of 17 bits", "scapy")
    # Session request: two encoded names of 34 bytes each, section 4.3.2.
    names = b"\x20" + b"CACACACACACACACACACACACACACACACA" + b"\0" + b"\x20" + b"EMEMEMEMEMEMEMEMEMEMEMEMEMEMEMEM" + b"\0"
    g.client(bytes(netbios.NBTSession(TYPE=0x81, LENGTH=len(names))) + names, "session request")
    g.client(bytes(netbios.NBTSession(TYPE=0x85, LENGTH=0)), "keep-alive: the header alone")
    g.client(b"\0\x01" + struct.pack("!H", 4) + bytes(65540), "a length over 16 bits")
    g.server(bytes(netbios.NBTSession(TYPE=0x82, LENGTH=0)), "positive session response")
    g.server(bytes(netbios.NBTSession(TYPE=0, LENGTH=8)) + b"\xfeSMB" + bytes(4), "session message")
    g.write()


def doip_():
    g = Golden("doip", "Diagnostics over IP", "ISO 13400-2, generic DoIP header", "scapy")
    g.client(bytes(doip.DoIP(payload_type=5, source_address=0x0E80, activation_type=0)), "routing activation request")
    g.client(bytes(doip.DoIP(payload_type=0x8001, source_address=0x0E80, target_address=0x1234) / b"\x3e\x00"), "")
    g.server(bytes(doip.DoIP(payload_type=6, logical_address_tester=0x0E80, logical_address_doip_entity=0x1234)), "")
    g.server(bytes(doip.DoIP(payload_type=0x8002, source_address=0x1234, target_address=0x0E80, ack_code=0)), "")
    g.write()


def someip_():
    g = Golden("someip", "SOME/IP", "AUTOSAR PRS_SOMEIPProtocol, section 4.1.2 (header)", "scapy")
    for way, kind in [(g.client, 0), (g.client, 0), (g.server, 0x80), (g.server, 0x80)]:
        packet = someip.SOMEIP(srv_id=0x1234, sub_id=1, client_id=1, session_id=7, msg_type=kind)
        way(bytes(packet / b"payload"), "request" if kind == 0 else "response")
    g.write()


def skinny_():
    g = Golden("skinny", "Cisco Skinny (SCCP)", "as the packet class of scapy.contrib.skinny has it; no public specification", "scapy")
    g.client(bytes(skinny.Skinny(msg=0x0000) / skinny.SkinnyMessageKeepAlive()), "KeepAlive")
    g.client(bytes(skinny.Skinny(msg=0x0006) / skinny.SkinnyMessageOffHook()), "OffHook")
    tone = skinny.SkinnyMessageStartTone(tone=0x21, instance=1, callid=5)
    g.server(bytes(skinny.Skinny(msg=0x0082) / tone), "StartTone")
    g.server(bytes(skinny.Skinny(msg=0x0100) / skinny.SkinnyMessageKeepAliveAck()), "KeepAliveAck")
    g.write()


def openvpn():
    g = Golden("openvpn", "OpenVPN over TCP", 'OpenVPN protocol, "TCP encapsulation" (a 16-bit length before each packet), by hand')
    # P_CONTROL_HARD_RESET_CLIENT_V2, key 0: opcode << 3, session id, no acks, packet id.
    reset = bytes([7 << 3]) + bytes(range(1, 9)) + b"\0" + struct.pack("!I", 0)
    g.client(struct.pack("!H", len(reset)) + reset, "P_CONTROL_HARD_RESET_CLIENT_V2", head=2)
    answer = bytes([8 << 3]) + bytes(range(9, 17)) + b"\1" + struct.pack("!I", 0) + bytes(range(1, 9)) + struct.pack("!I", 0)
    g.server(struct.pack("!H", len(answer)) + answer, "P_CONTROL_HARD_RESET_SERVER_V2", head=2)
    ack = bytes([5 << 3]) + bytes(range(1, 9)) + b"\1" + struct.pack("!I", 0) + bytes(range(9, 17))
    g.client(struct.pack("!H", len(ack)) + ack, "P_ACK_V1", head=2)
    g.write()


def tls():
    g = Golden("tls", "TLS records", "RFC 8446 section 5.1; the handshake is one of OpenSSL with itself", ssl.OPENSSL_VERSION)
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=example.test", "-days", "9"]
            + ["-keyout", f"{place}/key", "-out", f"{place}/cert"],
            check=True,
            capture_output=True,
        )
        server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_context.load_cert_chain(f"{place}/cert", f"{place}/key")
    server_context.num_tickets = 0
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="example.test")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)

    def records(way, flight):
        # A record: type, version, length of two bytes, so many bytes.
        while flight:
            length = 5 + int.from_bytes(flight[3:5], "big")
            kinds = {20: "ChangeCipherSpec", 21: "alert", 22: "handshake", 23: "application data"}
            way(flight[:length], kinds[flight[0]])
            flight = flight[length:]

    def pump(side):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pass

    # What one end wrote is looked at on its way to the other.
    pump(client)
    flight = to_server.read()
    records(g.client, flight)
    to_server.write(flight)
    pump(server)
    flight = to_client.read()
    records(g.server, flight)
    to_client.write(flight)
    pump(client)
    client.write(b"hello")
    records(g.client, to_server.read())
    g.write()


if __name__ == "__main__":
    NETWORK = [bgp_, ldp_, diameter_, radius_, tacacs, openflow_, rpki, pcep, stun_, rtp_, netbios_]
    for write in NETWORK + [doip_, someip_, skinny_, openvpn, tls]:
        write()
