# UDP chat: you ask, the server answers. q or Q ends it. Usage: udp_chat_client.py HOST PORT
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])

client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

while True:
    text = input("you: ")
    client.sendto(text.encode("utf-8"), (host, port))
    if text in ("q", "Q"):
        break
    data, address = client.recvfrom(1024)
    print("\nserver:", data.decode("utf-8"), flush=True)
    if data.decode("utf-8") in ("q", "Q"):
        break

client.close()
