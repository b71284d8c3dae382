"""Remote calls, directories and files, from libraries where those let their bytes be had.

pip install thrift hyperframe smpplib ldap3 pyasn1 impacket paramiko
"""

import socket
import struct
import threading

import paramiko
from hyperframe import frame as h2
from ldap3.operation.bind import bind_operation
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from pyasn1.codec.ber import encoder as ber
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType
from thrift.transport import TTransport

from golden import Golden


def thrift():
    g = Golden("thrift", "Apache Thrift, framed", "Thrift specification, thrift-rpc.md, Framed transport", "thrift")
    for way, kind in [(g.client, TMessageType.CALL), (g.client, TMessageType.CALL), (g.server, TMessageType.REPLY), (g.server, TMessageType.REPLY)]:
        memory = TTransport.TMemoryBuffer()
        transport = TTransport.TFramedTransport(memory)
        protocol = TBinaryProtocol(transport)
        protocol.writeMessageBegin("add", kind, 1)
        protocol.writeStructBegin("args")
        protocol.writeFieldBegin("num1", 8, 1)
        protocol.writeI32(42)
        protocol.writeFieldEnd()
        protocol.writeFieldStop()
        protocol.writeMessageEnd()
        transport.flush()
        way(memory.getvalue(), "add(42)", head=4)
    g.write()


def grpc():
    g = Golden("grpc", "gRPC messages, as they lie in HTTP/2 DATA", "gRPC PROTOCOL-HTTP2.md, Length-Prefixed-Message; by hand")
    name = bytes([0x0A, 5]) + b"world"
    g.client(struct.pack("!BI", 0, len(name)) + name, "HelloRequest { name: world }")
    g.client(struct.pack("!BI", 0, 0), "an empty message")
    reply = bytes([0x0A, 11]) + b"Hello world"
    g.server(struct.pack("!BI", 0, len(reply)) + reply, "HelloReply")
    g.server(struct.pack("!BI", 1, 3) + b"zip", "the compressed flag")
    g.write()


def http2():
    g = Golden("http2", "HTTP/2", "RFC 9113 sections 3.4 (preface) and 4.1 (frames)", "hyperframe")
    g.client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "the client's preface: no frame")
    g.client(h2.SettingsFrame(0, {h2.SettingsFrame.ENABLE_PUSH: 0}).serialize(), "SETTINGS")
    headers = h2.HeadersFrame(1, bytes.fromhex("828684418a089d5c0b8170dc79f7df"))
    headers.flags.add("END_HEADERS")
    g.client(headers.serialize(), "HEADERS")
    g.server(h2.SettingsFrame(0).serialize(), "SETTINGS, empty")
    ack = h2.SettingsFrame(0)
    ack.flags.add("ACK")
    g.server(ack.serialize(), "SETTINGS ACK")
    g.server(h2.DataFrame(1, b"hello").serialize(), "DATA")
    g.server(h2.PingFrame(0, b"12345678").serialize(), "PING")
    g.write()


def dubbo():
    g = Golden("dubbo", "Apache Dubbo", 'Dubbo protocol, "Protocol Details"; by hand')
    for way, flag in [(g.client, 0xC2), (g.client, 0xE2), (g.server, 0x02), (g.server, 0x22)]:
        body = b"N" if flag & 0x20 else b'"2.0.2"\n"demo.Service"\n"0.0.0"\n'
        way(struct.pack("!HBBQI", 0xDABB, flag, 20 if flag < 0x80 else 0, 7, len(body)) + body, "heartbeat" if flag & 0x20 else "")
    g.write()


def giop():
    g = Golden("giop", "CORBA GIOP and IIOP", "OMG CORBA 3.3 part 2, section 9.4.1 (GIOP Message Header); by hand")
    big = struct.pack("!IBBBBIII", 1, 3, 0, 0, 0, 0, 4, 0)
    little = struct.pack("<IBBBBIII", 2, 3, 0, 0, 0, 0, 4, 0)
    g.client(b"GIOP\x01\x02\x00\x00" + struct.pack("!I", len(big)) + big, "Request, big-endian")
    g.client(b"GIOP\x01\x02\x01\x00" + struct.pack("<I", len(little)) + little, "Request, little-endian")
    g.server(b"GIOP\x01\x02\x01\x01" + struct.pack("<I", 12) + struct.pack("<III", 1, 0, 0), "Reply, little-endian")
    g.server(b"GIOP\x01\x02\x00\x05" + struct.pack("!I", 0), "CloseConnection, big-endian")
    g.write()


def smpp_():
    g = Golden("smpp", "SMPP 3.4", "SMPP v3.4 section 3.2", "smpplib")
    from smpplib.command import BindTransmitter, EnquireLink

    class Sequence:
        sequence = 1

        def next_sequence(self):
            self.sequence += 1
            return self.sequence

    bind = BindTransmitter("bind_transmitter", client=Sequence(), system_id="shop", password="secret")
    bind.sequence = 1
    link = EnquireLink("enquire_link", client=Sequence())
    link.sequence = 2
    g.client(bind.generate(), "bind_transmitter")
    g.client(link.generate(), "enquire_link: the header alone")
    g.server(struct.pack("!IIII", 21, 0x80000002, 0, 1) + b"smsc\0", "bind_transmitter_resp, by hand")
    g.server(struct.pack("!IIII", 16, 0x80000015, 0, 2), "enquire_link_resp, by hand")
    g.write()


def ldap():
    g = Golden("ldap", "LDAP", "RFC 4511 section 5.1, ITU-T X.690 section 8.1", "ldap3", "pyasn1")

    def message(number, kind, operation):
        whole = LDAPMessage()
        whole["messageID"] = MessageID(number)
        whole["protocolOp"] = ProtocolOp().setComponentByName(kind, operation)
        return ber.encode(whole)

    g.client(message(1, "bindRequest", bind_operation(3, "SIMPLE", "cn=admin,dc=example,dc=test", "secret")), "bind")
    # searchRequest with an attribute list long enough for a length of two octets; then unbind: by hand.
    names = b"".join(bytes([4, 30]) + b"attribute%021d" % n for n in range(5))
    filter_ = bytes([0x87, 11]) + b"objectClass"
    search = bytes([4, 0, 0x0A, 1, 2, 0x0A, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0]) + filter_ + bytes([0x30, 0x81, len(names)]) + names
    operation = bytes([0x63, 0x81, len(search)]) + search
    inner = bytes([2, 1, 2]) + operation
    g.client(bytes([0x30, 0x81, len(inner)]) + inner, "search: a long length, by hand")
    g.client(bytes([0x30, 5, 2, 1, 3, 0x42, 0]), "unbind, by hand")
    g.server(bytes([0x30, 12, 2, 1, 1, 0x61, 7, 0x0A, 1, 0, 4, 0, 4, 0]), "bindResponse: success, by hand")
    g.server(bytes([0x30, 12, 2, 1, 2, 0x65, 7, 0x0A, 1, 0, 4, 0, 4, 0]), "searchResDone, by hand")
    g.write()


def snmp():
    g = Golden("snmp", "SNMP over TCP and TLS", "RFC 3430 section 2, ITU-T X.690 section 8.1; by hand")
    bindings = bytes.fromhex("300e300c06082b060102010101000500")
    pdu = bytes([2, 1, 1, 2, 1, 0, 2, 1, 0]) + bindings
    body = bytes([2, 1, 1, 4, 6]) + b"public" + bytes([0xA0, len(pdu)]) + pdu
    for way in [g.client, g.server]:
        way(bytes([0x30, len(body)]) + body, "version 2c")
        way(bytes([0x30, 0x82, 0, len(body)]) + body, "the same, its length as net-snmp writes it")
    g.write()


def kerberos():
    g = Golden("kerberos", "Kerberos over TCP", "RFC 4120 section 7.2.2: a length of four octets, the high bit zero; by hand")
    # KRB-ERROR with its required fields, section 5.9.1.
    error = bytes.fromhex("7e3f303da003020105a10302011ea411180f32303234303130313132303030305aa505020300d431a603020106a90e1b0c4558414d504c452e54455354aa0a3008a003020101a1010000")
    for way, note in [(g.client, "a request"), (g.client, "another"), (g.server, "KRB-ERROR"), (g.server, "KRB-ERROR")]:
        way(struct.pack("!I", len(error)) + error, note, head=4)
    g.write()


def nfs():
    g = Golden("nfs", "ONC RPC and NFS: record marking", "RFC 5531 sections 9 and 11; by hand")
    call = struct.pack("!10I", 1, 0, 2, 100003, 3, 0, 0, 0, 0, 0)
    last = lambda part: struct.pack("!I", 0x80000000 | len(part)) + part
    more = lambda part: struct.pack("!I", len(part)) + part
    g.client(last(call), "NULL, in one fragment", head=4)
    pieces = more(call[:10]) + more(b"") + last(call[10:])
    g.client(pieces, "NULL, in three fragments, by hand", parts=[(4, 14), (22, len(pieces))])
    g.lines[-1] = g.lines[-1].replace("> ", ">~", 1)
    reply = struct.pack("!6I", 1, 1, 0, 0, 0, 0)
    g.server(last(reply), "accepted", head=4)
    g.server(last(reply), "accepted", head=4)
    g.write()


def smb():
    g = Golden("smb", "SMB 2 and 3 over TCP", "MS-SMB2 section 2.1 (Direct TCP: a zero byte, a length of 24 bits), 2.2.1.2", "impacket")
    from impacket.smb3structs import SMB2Packet

    echo = SMB2Packet()
    echo["Command"] = 13
    echo["MessageID"] = 3
    echo["Data"] = struct.pack("<HH", 4, 0)
    body = echo.getData()
    for way in [g.client, g.server]:
        way(b"\0" + len(body).to_bytes(3, "big") + body, "ECHO", head=4)
        way(b"\0" + len(body).to_bytes(3, "big") + body, "ECHO", head=4)
    g.write()


def p9():
    g = Golden("9p", "9P2000", "Plan 9 intro(5): size[4] type[1] tag[2], all little-endian, the size with itself; by hand")
    message = lambda kind, tag, body: struct.pack("<IBH", 7 + len(body), kind, tag) + body
    version = struct.pack("<IH", 8192, 6) + b"9P2000"
    g.client(message(100, 0xFFFF, version), "Tversion")
    g.client(message(120, 1, struct.pack("<I", 0)), "Tclunk")
    g.server(message(101, 0xFFFF, version), "Rversion")
    g.server(message(121, 1, b""), "Rclunk: the header alone")
    g.write()


def fastcgi():
    g = Golden("fastcgi", "FastCGI", "FastCGI specification 1.0, section 3.3 (records); by hand")

    def record(kind, content, padding=0):
        return struct.pack("!BBHHBB", 1, kind, 1, len(content), padding, 0) + content + b"\0" * padding

    g.client(record(1, bytes([0, 1, 0, 0, 0, 0, 0, 0])), "BEGIN_REQUEST")
    g.client(record(4, b"\x0e\x03REQUEST_METHODGET", 5), "PARAMS, padded")
    g.client(record(4, b""), "the end of PARAMS: the header alone")
    g.server(record(6, b"Content-Type: text/plain\r\n\r\nhello", 7), "STDOUT, padded")
    g.server(record(3, bytes(8)), "END_REQUEST")
    g.write()


def iscsi():
    g = Golden("iscsi", "iSCSI", "RFC 7143 section 11.2 (PDU format): additional headers in words, data padded to words; by hand")

    def pdu(opcode, data, headers=b""):
        head = bytes([opcode, 0x80, 0, 0, len(headers) // 4]) + len(data).to_bytes(3, "big") + bytes(40)
        return head + headers + data + bytes(-len(data) % 4)

    login = b"InitiatorName=iqn.2024-01.test.example\0"
    g.client(pdu(0x43, login), "Login Request, padded", head=0, tail=-len(login) % 4)
    g.client(pdu(0x01, b"", headers=struct.pack("!HBB", 5, 1, 0) + bytes(8)), "SCSI Command with an AHS")
    g.client(pdu(0x40, b"ping!"), "NOP-Out with data", head=0, tail=3)
    g.server(pdu(0x23, b"TargetPortalGroupTag=1\0"), "Login Response, padded", head=0, tail=1)
    g.server(pdu(0x20, b""), "NOP-In: the header alone")
    g.write()


def ssh():
    g = Golden("ssh", "SSH, to the end of the key exchange", "RFC 4253 sections 4.2 (version) and 6 (packets)", "paramiko")
    recorded = {}

    class Tap:
        """A socket that keeps what is sent through it."""

        def __init__(self, inner, who):
            self.inner, self.who = inner, who
            recorded[who] = b""

        def send(self, data):
            sent = self.inner.send(data)
            recorded[self.who] += bytes(data[:sent])
            return sent

        def __getattr__(self, name):
            return getattr(self.inner, name)

    class Anyone(paramiko.ServerInterface):
        pass

    ours, theirs = socket.socketpair()
    key = paramiko.ECDSAKey.generate()
    server = paramiko.Transport(Tap(theirs, "server"))
    server.add_server_key(key)
    server.start_server(event=threading.Event(), server=Anyone())
    client = paramiko.Transport(Tap(ours, "client"))
    client.start_client(timeout=20)
    client.global_request("keepalive@example.test", wait=False)
    client.close()
    server.close()
    for way, who in [(g.client, "client"), (g.server, "server")]:
        stream = recorded[who]
        line, stream = stream.split(b"\n", 1)
        way(line + b"\n", "the version", head=0, tail=2)
        kind = 0
        while kind != 21:
            length = 4 + int.from_bytes(stream[:4], "big")
            kind = stream[5]
            way(stream[:length], {20: "KEXINIT", 21: "NEWKEYS, the last in the clear"}.get(kind, "key exchange"), head=4)
            stream = stream[length:]
        if stream:
            way(stream, "encrypted")
            g.lines[-1] = g.lines[-1][0] + "*" + g.lines[-1][2:]
    g.write()


if __name__ == "__main__":
    for write in [thrift, grpc, http2, dubbo, giop, smpp_, ldap, snmp, kerberos, nfs, smb, p9, fastcgi, iscsi, ssh]:
        write()
