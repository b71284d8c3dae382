"""Answers every command with a length and a text, in two writes; makes no mistake with what it reads."""
import socket
import struct
import sys

listing = b"notes.txt  pictures  todo.txt\n"
server = socket.socket()
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen(5)
print("listening on port", server.getsockname()[1], flush=True)
while True:
    connection, address = server.accept()
    try:
        command = b""
        while len(command) < 2:
            command += connection.recv(2 - len(command))
        connection.send(struct.pack("i", len(listing)))
        connection.send(listing)
    except OSError as error:
        print("a client has gone:", error)
    connection.close()
