# TCP: sends one message and closes. Usage: tcp_send.py HOST PORT [MESSAGE]
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
message = sys.argv[3] if len(sys.argv) > 3 else "Grüße aus Python"

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, port))
client.send(message.encode("utf-8"))
client.close()
