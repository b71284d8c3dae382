# TCP: only the first message, a name, has its length in front; then everything until the server closes.
# Usage: first_client_reads.py HOST PORT
import socket
import struct
import sys

host, port = sys.argv[1], int(sys.argv[2])

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, port))

length = struct.unpack("i", client.recv(4))[0]
name = client.recv(length)
print("name:", name.decode("utf-8"), flush=True)

rest = b""
while True:
    data = client.recv(1024)
    if not data:
        break
    rest += data
print("rest:", rest.decode("utf-8"), flush=True)
client.close()
