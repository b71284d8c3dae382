"""Two messages are sent, so two are received: one `recv(1024)` for each. TCP does not know what a message is."""
import socket
import sys

sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
first = sock.recv(1024)
second = sock.recv(1024)
print("first message:", first.decode())
print("second message:", second.decode())
sock.close()
