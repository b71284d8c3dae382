# TCP: a 4-byte length in this machine's own order, then the body, both ways.
# Usage: struct_client.py HOST PORT MESSAGE...
import socket
import struct
import sys

host, port = sys.argv[1], int(sys.argv[2])

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, port))

for text in sys.argv[3:]:
    body = text.encode("utf-8")
    client.send(struct.pack("i", len(body)))
    client.send(body)

    length = struct.unpack("i", client.recv(4))[0]
    answer = b""
    while len(answer) < length:
        part = client.recv(min(1024, length - len(answer)))
        if not part:
            sys.exit("the other side closed in the middle of a message")
        answer += part
    print("answer:", answer.decode("utf-8"), flush=True)

client.close()
