"""Serial lines, debuggers and daemons, most of them caught from the real program.

pip install sliplib cobs dle-encoder crccheck scapy pyzmq pynsq pyiso8583 oracledb pywayland; apt install gdbserver adb
"""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading

import cobs.cobs
import iso8583
import iso8583.specs
import oracledb
import sliplib
import zmq
from crccheck.crc import CrcX25
from dle_encoder import DleEncoder
from nsq import protocol as nsq
from scapy.layers.ppp import HDLC, PPP, PPP_LCP_Configure, PPP_LCP_Echo

from golden import Golden

ODD = [b"hello", bytes(range(32)), bytes([0x10, 0x10, 0x02, 0x03, 0x7D, 0x7E, 0xC0, 0xDB, 0, 0]), b"\xff" * 300]


def stuffed():
    for name, title, source, package, encode in [
        ("slip", "SLIP", "RFC 1055, the protocol", "sliplib", sliplib.Driver().send),
        ("cobs", "COBS", "Cheshire and Baker, Consistent Overhead Byte Stuffing, 1999", "cobs", lambda m: cobs.cobs.encode(m) + b"\0"),
        ("dle", "Serial blocks between DLE STX and DLE ETX", "ISO 2111 (ISO 1745 in its transparent mode)", "dle-encoder", DleEncoder(escape_stx_etx=False).encode),
    ]:
        g = Golden(name, title, source, package)
        for message in ODD:
            g.client(encode(message))
            g.lines[-1] += " = " + g._hex(message)
        g.write()


def ppp():
    g = Golden("ppp", "PPP in HDLC-like framing", "RFC 1662 sections 3.1, 4.2 and 7.1: a flag, octets under 20 escaped, FCS-16", "scapy", "crccheck")
    # What section 4.2 says, for a control character map of all ones.
    escape = lambda octets: b"".join(bytes([0x7D, o ^ 0x20]) if o < 0x20 or o in (0x7D, 0x7E) else bytes([o]) for o in octets)
    for way in [g.client, g.server]:
        for note, packet in [
            ("LCP, Configure-Request", HDLC() / PPP() / PPP_LCP_Configure(id=1)),
            ("LCP, Configure-Ack", HDLC() / PPP() / PPP_LCP_Configure(code=2, id=0x7E)),
            ("LCP, Echo-Request", HDLC() / PPP() / PPP_LCP_Echo(id=2, magic_number=0x7D7E1150, data=b"hello")),
        ]:
            message = bytes(packet)
            way(b"~" + escape(message + struct.pack("<H", CrcX25.calc(message))) + b"~")
            g.lines[-1] += f" = {message.hex()} ; {note}"
    g.write()


def gdb():
    """gdbserver, asked by hand."""
    version = subprocess.run(["gdbserver", "--version"], capture_output=True, text=True).stdout.split("\n")[0].split()[-1]
    g = Golden("gdb", "GDB remote serial protocol", "GDB manual, appendix E.1 (Overview) and E.9 (Notification Packets)", f"gdbserver {version}")
    server = subprocess.Popen(["gdbserver", "--once", "127.0.0.1:0", "/bin/true"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    line = b""
    while b"Listening" not in line:
        line = server.stderr.readline()
    stream = socket.create_connection(("127.0.0.1", int(line.split()[-1]))).makefile("rwb", buffering=0)
    packet = lambda mark, content: mark + content + b"#%02x" % (sum(content) & 0xFF)
    for command in [b"qSupported", b"?", b"qXfer:features:read:target.xml:0,40", b"m0,4", b"nonsense"]:
        g.client(packet(b"$", command), head=0, tail=3)
        stream.write(packet(b"$", command))
        assert stream.read(1) == b"+"
        g.server(b"+", "taken")
        reply = b""
        while not reply.endswith(b"#"):
            reply += stream.read(1)
        g.server(reply + stream.read(1) + stream.read(1), head=0, tail=3)
        stream.write(b"+")
        g.client(b"+", "taken")
    server.kill()
    g.client(packet(b"$", b"Xe,4:}\x03}\x04}\x5d}\x0a"), "binary: # $ } * are escaped by }: by hand", head=0, tail=3)
    g.client(b"\x03", "interrupt: by hand")
    g.server(b"-", "to be sent again: by hand")
    g.server(packet(b"%", b"Stop:T05"), "a notification: by hand", head=0, tail=3)
    g.write()


def adb():
    """The server of adb, to which no device is attached."""
    version = subprocess.run(["adb", "version"], capture_output=True, text=True).stdout.split("\n")[1].split()[-1]
    g = Golden("adb-host", "Android ADB, its server on this machine", "AOSP adb OVERVIEW.TXT, section II.1, and SERVICES.TXT", f"adb {version}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = tempfile.mkdtemp()
    server = subprocess.Popen(["adb", "-L", f"tcp:{port}", "nodaemon", "server"], env={**os.environ, "HOME": home}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for service, note in [(b"host:version", ""), (b"host:devices", "none"), (b"host:transport:nothing", ""), (b"host:nonsense", "")]:
        while True:
            try:
                stream = socket.create_connection(("127.0.0.1", port)).makefile("rwb", buffering=0)
                break
            except ConnectionRefusedError:
                pass
        request = b"%04x" % len(service) + service
        g.client(request, note, head=4)
        stream.write(request)
        reply = stream.read(4)
        if reply == b"OKAY":
            g.server(reply)
            reply = b""
        reply += stream.read(4)
        g.server(reply + (stream.read(int(reply[-4:], 16)) or b""))
    server.terminate()
    g.write()


def tns():
    g = Golden("tns", "Oracle Net (TNS)", "no public specification; as python-oracledb speaks it and Wireshark reads it", "oracledb")
    listener = socket.create_server(("127.0.0.1", 0))
    accept = struct.pack("!HH10sB9sI5sI", 319, 1, b"", 0, b"", 8192, b"", 0)
    accept = struct.pack("!HHBBH", 8 + len(accept), 0, 2, 0, 0) + accept

    def serve():
        stream = listener.accept()[0].makefile("rwb", buffering=0)
        read = lambda width: (head := stream.read(8)) + stream.read(int.from_bytes(head[:width], "big") - 8)
        g.client(read(2), "CONNECT")
        g.client(read(2), "DATA: what did not fit in it")
        stream.write(accept)
        g.client(read(4), "its length has four bytes now")
        stream.close()

    # An address that is always as long, and nothing of this machine in it.
    oracledb.defaults.program = oracledb.defaults.machine = oracledb.defaults.osuser = "test"
    server = threading.Thread(target=serve)
    server.start()
    try:
        oracledb.connect(user="scott", password="tiger", host="127.0.0.1", port=listener.getsockname()[1], service_name="s" * 120)
    except oracledb.Error:
        pass
    server.join()
    resend = struct.pack("!HHBBH", 8, 0, 11, 0, 0)
    g.server(resend, "RESEND: by hand, as the rest")
    g.server(accept, "ACCEPT, version 319")
    g.server(struct.pack("!IBBH", 10, 6, 0, 0) + b"\0\0", "DATA: its length has four bytes")
    g.server(struct.pack("!IBBH", 0x10008, 6, 0, 0) + bytes(0x10000), "and may be larger")
    g.write()


def wayland():
    """libwayland on both sides, this script in between."""
    g = Golden("wayland", "Wayland, without the descriptors beside it", "Wayland protocol, chapter 4, Wire Format", "pywayland")
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_RUNTIME_DIR"] = place
        code = """
from pywayland.server import Display
from pywayland.protocol.wayland import WlCompositor, WlShm
display = Display()
compositor, shm = WlCompositor.global_class(display), WlShm.global_class(display)
display.add_socket("wayland-test")
print(flush=True)
display.run()
"""
        server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        server.stdout.readline()
        near, ours = socket.socketpair()
        os.environ["WAYLAND_SOCKET"] = str(ours.detach())
        code = """
import os
from pywayland.client import Display
display = Display()
display.connect()
registry = display.get_registry()
display.roundtrip()
os._exit(0)
"""
        client = subprocess.Popen([sys.executable, "-c", code], pass_fds=[int(os.environ["WAYLAND_SOCKET"])])
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{place}/wayland-test")
        said = {near: b"", far: b""}

        def pump(source, target):
            while data := source.recv(4096):
                said[source] += data
                target.sendall(data)

        for way in [(near, far), (far, near)]:
            threading.Thread(target=pump, args=way, daemon=True).start()
        client.wait()
        server.terminate()
    for way, stream in [(g.client, said[near]), (g.server, said[far])]:
        while stream:
            length = struct.unpack("=II", stream[:8])[1] >> 16
            way(stream[:length])
            stream = stream[length:]
    g.write()


def zmtp1():
    """libzmq, which speaks to those that begin as version 1 does as they do."""
    g = Golden("zmtp1", "ZMTP 1, ZeroMQ 2", "ZMTP 1.0 (RFC 13 of ZeroMQ), framing; ZMTP 2.0, backwards interoperability", "pyzmq")
    listener = socket.create_server(("127.0.0.1", 0))
    dealer = zmq.Context().socket(zmq.DEALER)
    dealer.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    dealer.send(b"hello")
    dealer.send_multipart([b"two", b"x" * 300])
    stream = listener.accept()[0].makefile("rwb", buffering=0)
    g.client(stream.read(10), "the signature of a later version, which is a frame of this one", head=9)
    g.lines[-1] = ">~" + g.lines[-1][2:]
    stream.write(b"\x01\x00")
    g.server(b"\x01\x00", "no identity: by hand", head=1)
    for length, note in [(7, "a message"), (5, "a part, and more follows")]:
        g.client(stream.read(length), note, head=1)
    long = stream.read(9)
    while len(long) < 9 + 301:
        long += stream.read(9 + 301 - len(long))
    g.client(long, "300 bytes", head=9)
    g.server(b"\x06\x00world", "an answer: by hand", head=1)
    dealer.close(0)
    g.write()


def queue():
    g = Golden("nsq", "NSQ", "NSQ documentation, TCP Protocol Spec; what servers send by hand", "pynsq")
    g.client(b"  V2", "the magic: no line")
    sized = lambda frame, note: g.client(frame, note, parts=[(0, frame.index(b"\n") + 1), (frame.index(b"\n") + 5, len(frame))])
    line = lambda frame, note="": g.client(frame, note, head=0, tail=1)
    sized(nsq.identify({"client_id": "test"}), "IDENTIFY: behind the line a size and so many bytes")
    line(nsq.subscribe("shop", "test"))
    line(nsq.ready(1))
    sized(nsq.pub("shop", b"hello\nworld"), "PUB, lines in its body")
    sized(nsq.mpub("shop", [b"one", b"NOP\n"]), "MPUB, messages with sizes of their own")
    sized(nsq.dpub("shop", 1000, b"later"), "DPUB")
    sized(nsq.auth(b"secret"), "AUTH")
    line(nsq.finish(b"0123456789abcdef"), "FIN")
    line(nsq.nop(), "NOP")
    frame = lambda kind, data: struct.pack("!iI", 4 + len(data), kind) + data
    g.server(frame(0, b"OK"), "a response", head=4)
    g.server(frame(0, b"_heartbeat_"), "", head=4)
    g.server(frame(1, b"E_BAD_TOPIC"), "an error", head=4)
    g.server(frame(2, struct.pack("!qH16s", 1700000000000000000, 1, b"0123456789abcdef") + b"hello"), "a message", head=4)
    g.write()


def cards():
    g = Golden("iso8583", "ISO 8583", "ISO 8583:1987; a length of two bytes in front, as most hosts want it", "pyiso8583")
    for way, kind in [(g.client, "0800"), (g.server, "0810"), (g.client, "0200"), (g.server, "0210")]:
        message, _ = iso8583.encode({"t": kind, "7": "1122153000", "11": "000001", "70": "301"}, iso8583.specs.default_ascii)
        way(struct.pack("!H", len(message)) + message, kind, head=2)
    g.write()


for make in [stuffed, ppp, gdb, adb, tns, wayland, zmtp1, queue, cards]:
    make()
