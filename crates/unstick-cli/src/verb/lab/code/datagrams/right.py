# one read, one message; 65,535 bytes are always enough
def receive(sock):
    return [sock.recv(65535)]
