# UDP: prints one question and answers it. Usage: udp_answer.py HOST PORT (0 picks a port)
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((host, port))
print("port", server.getsockname()[1], flush=True)

data, address = server.recvfrom(1024)
print("question:", data.decode("utf-8"), flush=True)
server.sendto("It is noon.".encode("utf-8"), address)
server.close()
