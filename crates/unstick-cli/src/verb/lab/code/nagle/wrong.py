# three reads return three messages
def receive(sock):
    return [sock.recv(1024) for _ in range(3)]
