# TCP: reads from every client a name with its length in front, then everything until the client closes.
# Usage: first_server_reads.py HOST PORT (0 picks a port)
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
    length = struct.unpack("i", conn.recv(4))[0]
    name = conn.recv(length)
    print("name:", name.decode("utf-8"), flush=True)

    rest = b""
    while True:
        data = conn.recv(1024)
        if not data:
            break
        rest += data
    print("rest:", rest.decode("utf-8"), flush=True)
    conn.close()
