# UDP: asks one question, prints the answer. Usage: udp_ask.py HOST PORT [QUESTION]
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
question = sys.argv[3] if len(sys.argv) > 3 else "What time is it?"

client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(question.encode("utf-8"), (host, port))
data, address = client.recvfrom(1024)
print("answer:", data.decode("utf-8"), flush=True)
client.close()
