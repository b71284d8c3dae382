# a full buffer looks like a whole message
def receive(sock):
    return [sock.recv(8)]
