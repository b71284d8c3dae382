# TCP: tells every client a name with its length in front, then goes on with nothing between, and closes.
# Usage: first_server_sends.py HOST PORT (0 picks a port)
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
    name = "Zoë".encode("utf-8")
    conn.send(struct.pack("i", len(name)))
    conn.send(name)
    conn.send("How are you?".encode("utf-8"))
    conn.send("Goodbye.".encode("utf-8"))
    conn.close()
