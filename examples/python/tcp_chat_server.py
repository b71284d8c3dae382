# TCP chat in turns: the client, then you. q or Q ends it, and the next client is served.
# Usage: tcp_chat_server.py HOST PORT (0 picks a port)
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind((host, port))
server.listen(5)
print("port", server.getsockname()[1], flush=True)

while True:
    conn, address = server.accept()
    print("a client has come", flush=True)
    while True:
        data = conn.recv(1024)
        if not data:
            break
        text = data.decode("utf-8")
        print("client:", text, flush=True)
        if text in ("q", "Q"):
            break
        answer = input("you: ")
        print(flush=True)
        conn.send(answer.encode("utf-8"))
        if answer in ("q", "Q"):
            break
    conn.close()
    print("the client has gone", flush=True)
