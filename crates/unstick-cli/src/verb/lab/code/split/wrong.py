# one send, so one read will do
def receive(sock):
    return [sock.recv(1024)]
