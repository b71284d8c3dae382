# UDP chat: one server for any number of clients; each question is answered by you, to the one who asked.
# Usage: udp_chat_server.py HOST PORT (0 picks a port)
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((host, port))
print("port", server.getsockname()[1], flush=True)

names = {}
while True:
    data, address = server.recvfrom(1024)
    text = data.decode("utf-8")
    if address not in names:
        names[address] = "client %d" % (len(names) + 1)
    print(names[address] + ":", text, flush=True)
    if text in ("q", "Q"):
        continue
    answer = input("you: ")
    print(flush=True)
    server.sendto(answer.encode("utf-8"), address)
