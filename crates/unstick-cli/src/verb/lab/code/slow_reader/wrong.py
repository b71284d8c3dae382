# each read returns exactly one message
def receive(sock):
    messages = []
    while data := sock.recv(1024):
        messages.append(data)
    return messages
