# a message has 5 bytes, and is read until they are there
def receive(sock):
    stream = sock.makefile("rb")
    messages = []
    while data := stream.read(5):
        messages.append(data)
    return messages
