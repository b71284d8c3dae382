# the buffer is as long as most messages
def receive(sock):
    return [sock.recv(8)]
