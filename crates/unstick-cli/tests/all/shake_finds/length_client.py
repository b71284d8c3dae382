"""The usual cure for messages that stick together, as it is passed on: first a length, then so many bytes.

The mistake: `recv(1024)` for four bytes of length. When the body is there already, it is taken along.
"""
import socket
import struct
import sys

sock = socket.socket()
sock.connect((sys.argv[1], int(sys.argv[2])))
sock.send(b"ls")
header = sock.recv(1024)
length = struct.unpack("i", header)[0]
received = 0
while received < length:
    data = sock.recv(1024)
    received += len(data)
    print(data.decode(), end="")
sock.close()
