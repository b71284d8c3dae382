"""Greets everyone who comes in two messages; what the second says takes a moment to find out."""
import socket
import sys
import time

server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening on port", server.getsockname()[1], flush=True)
while True:
    connection, address = server.accept()
    try:
        connection.sendall(b"hello")
        time.sleep(0.02)
        connection.sendall(b"world")
    except OSError as error:
        print("a client has gone:", error)
    connection.close()
