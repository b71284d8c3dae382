# TCP: only the first message, a name, has its length in front; then the stream goes on with nothing between.
# Usage: first_client_sends.py HOST PORT [NAME]
import socket
import struct
import sys

host, port = sys.argv[1], int(sys.argv[2])
name = sys.argv[3] if len(sys.argv) > 3 else "Zoë"

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, port))
body = name.encode("utf-8")
client.send(struct.pack("i", len(body)))
client.send(body)
client.send("How are you?".encode("utf-8"))
client.send("Goodbye.".encode("utf-8"))
client.close()
