# TCP: sends two messages, one right after the other, each with its length in front.
# Usage: struct_two_sends.py HOST PORT
import socket
import struct
import sys

host, port = sys.argv[1], int(sys.argv[2])

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, port))
for text in ("Hello", "World"):
    body = text.encode("utf-8")
    client.send(struct.pack("i", len(body)) + body)
client.close()
