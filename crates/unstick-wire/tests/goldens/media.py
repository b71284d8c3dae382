"""RTMP as rtmpdump speaks it to this script, which is its server.

apt install rtmpdump
"""

import socket
import struct
import subprocess

from golden import Golden

ANSWER = b"\x02\0\x07_result\0\x3f\xf0\0\0\0\0\0\0\x05\x03\0\x04code\x02\0\x1dNetConnection.Connect.Success\0\0\x09"


def header(csid, kind, length, stream=0, timestamp=0):
    """A header that leaves nothing out, section 5.3.1.2.1."""
    return bytes([csid]) + struct.pack("!I", min(timestamp, 0xFFFFFF))[1:] + struct.pack("!I", length)[1:] + bytes([kind]) + struct.pack("<I", stream)


def rtmp():
    version = subprocess.run(["rtmpdump", "--help"], capture_output=True, text=True).stderr.split("\n")[0].split()[-1]
    g = Golden("rtmp", "RTMP", "Adobe RTMP 1.0 sections 5.2 (handshake), 5.3 (chunks) and 5.4 (control messages); what servers send by hand", f"rtmpdump {version}")
    listener = socket.create_server(("127.0.0.1", 0))
    dump = subprocess.Popen(["rtmpdump", "-r", f"rtmp://127.0.0.1:{listener.getsockname()[1]}/live/camera", "-o", "/dev/null"], stderr=subprocess.DEVNULL)
    connection = listener.accept()[0]
    stream = connection.makefile("rwb", buffering=0)

    def send(chunk, note=""):
        g.server(chunk, note)
        stream.write(chunk)

    def read(count):
        data = b""
        while len(data) < count:
            data += stream.read(count - len(data))
        return data

    lengths, left = {}, {}

    def chunk(note=""):
        """The next chunk of rtmpdump, cut by what section 5.3 says; it never changes the size of its chunks."""
        first = read(1)
        kind, csid = first[0] >> 6, first[0] & 0x3F
        head = read([11, 7, 3, 0][kind])
        if kind < 2:
            lengths[csid] = int.from_bytes(head[3:6], "big")
        if not left.get(csid):
            left[csid] = lengths[csid]
        size = min(128, left[csid])
        left[csid] -= size
        g.client(first + head + read(size), note)

    challenge = read(1537)
    g.client(challenge, "C0 and C1")
    send(b"\x03" + bytes(1536), "S0 and S1")
    send(challenge[1:], "S2")
    g.client(read(1536), "C2")
    chunk("connect: the first 128 bytes")
    chunk("and the rest, without a header of its own")
    send(header(2, 5, 4) + struct.pack("!I", 2500000), "Window Acknowledgement Size")
    send(header(3, 20, len(ANSWER)) + ANSWER, "_result")
    for _ in range(3):
        chunk()
    dump.terminate()
    g.server(header(4, 8, 200, 1) + b"a" * 128, "audio, section 5.3.2.2: by hand")
    g.server(header(6, 9, 140, 1) + b"v" * 128, "video in between")
    g.server(b"\xc4" + b"a" * 72, "the audio's rest")
    g.server(b"\xc6" + b"v" * 12, "the video's")
    g.server(header(2, 1, 4) + struct.pack("!I", 4096), "Set Chunk Size")
    g.server(b"\x44\0\0\x14" + b"\0\0\xc8" + b"\x08" + b"a" * 200, "audio: the stream is that of before")
    g.server(b"\x84\0\0\x14" + b"a" * 200, "and so is the length")
    g.server(b"\xc4" + b"a" * 200, "and the time")
    g.server(b"\x04\xff\xff\xff\0\x13\x88\x08\1\0\0\0" + b"\1\0\0\0" + b"a" * 4096, "a time of four bytes")
    g.server(b"\xc4\1\0\0\0" + b"a" * 904, "which stands in front of the rest too")
    g.server(b"\x00\x06" + header(0, 18, 3)[1:] + b"abc", "chunk stream 70, in two bytes")
    g.server(b"\x01\x00\x01" + header(0, 18, 0)[1:], "chunk stream 320, in three, and an empty message")
    g.write()


rtmp()
