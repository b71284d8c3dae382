# a message has 5 bytes: read until all of them are there
def receive(sock):
    stream = sock.makefile("rb")
    messages = []
    while data := stream.read(5):
        if len(data) < 5:
            raise EOFError("it ended inside a message")
        messages.append(data)
    return messages
