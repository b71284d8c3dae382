# the sender closes after its message: read to the end
def receive(sock):
    message = b""
    while part := sock.recv(8):
        message += part
    return [message]
