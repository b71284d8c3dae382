"""A 4-byte length, then the message, which comes back in capitals.

The mistake: `recv(4)` for the length. The message is read in a loop, as it should be; the length is not.
"""
import socket
import struct
import sys

server = socket.socket()
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
while True:
    connection, address = server.accept()
    while True:
        header = connection.recv(4)
        if not header:
            break
        (length,) = struct.unpack(">I", header)
        message = b""
        while len(message) < length:
            message += connection.recv(length - len(message))
        connection.sendall(struct.pack(">I", length) + message.upper())
    connection.close()
