# TCP chat in turns: you, then the other side. q or Q ends it. Usage: tcp_chat_client.py HOST PORT
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, port))

while True:
    text = input("you: ")
    client.send(text.encode("utf-8"))
    if text in ("q", "Q"):
        break
    data = client.recv(1024)
    if not data:
        print("\nthe server has gone", flush=True)
        break
    print("\nserver:", data.decode("utf-8"), flush=True)
    if data.decode("utf-8") in ("q", "Q"):
        break

client.close()
