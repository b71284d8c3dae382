"""Greets everyone who comes in two messages; what the second says takes a moment to find out, or is known every so often."""
import socket
import sys
import time

port = int(sys.argv[1])
known_every = int(sys.argv[2]) if len(sys.argv) > 2 else 0
server = socket.create_server(("127.0.0.1", port))
print("listening on port", server.getsockname()[1], flush=True)
visits = 0
while True:
    connection, address = server.accept()
    visits += 1
    try:
        connection.sendall(b"hello")
        if not known_every or visits % known_every:
            time.sleep(0.1)
        connection.sendall(b"world")
    except OSError as error:
        print("a client has gone:", error)
    connection.close()
