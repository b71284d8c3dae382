# TCP: a 4-byte length in this machine's own order, then the body, both ways; answers in capitals.
# Usage: struct_server.py HOST PORT (0 picks a port)
import socket
import struct
import sys

host, port = sys.argv[1], int(sys.argv[2])

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind((host, port))
server.listen(5)
print("port", server.getsockname()[1], flush=True)

while True:
    conn, address = server.accept()
    while True:
        head = conn.recv(4)
        if not head:
            break
        length = struct.unpack("i", head)[0]
        body = b""
        while len(body) < length:
            part = conn.recv(min(1024, length - len(body)))
            if not part:
                sys.exit("the other side closed in the middle of a message")
            body += part
        print("received:", body.decode("utf-8"), flush=True)

        answer = body.decode("utf-8").upper().encode("utf-8")
        conn.send(struct.pack("i", len(answer)))
        conn.send(answer)
    conn.close()
