# what was sent has arrived
def send(sock, messages):
    for message in messages:
        sock.send(message)
