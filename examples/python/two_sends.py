# TCP: sends two messages, one right after the other, with nothing between them.
# Usage: two_sends.py HOST PORT
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, port))
client.send("Hello".encode("utf-8"))
client.send("World".encode("utf-8"))
client.close()
