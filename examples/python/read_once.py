# TCP: is busy until Enter is pressed, then reads once: what two sends brought may come out as one.
# Usage: read_once.py HOST PORT (0 picks a port)
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind((host, port))
server.listen(5)
print("port", server.getsockname()[1], flush=True)

conn, address = server.accept()
input("press Enter to read")
data = conn.recv(1024)
print("\none read:", data, flush=True)
conn.close()
server.close()
