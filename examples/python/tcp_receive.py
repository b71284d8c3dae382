# TCP: waits for one client, prints its message, closes. Usage: tcp_receive.py HOST PORT (0 picks a port)
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind((host, port))
server.listen(5)
print("port", server.getsockname()[1], flush=True)

conn, address = server.accept()
data = conn.recv(1024)
print("received:", data.decode("utf-8"), flush=True)
conn.close()
server.close()
