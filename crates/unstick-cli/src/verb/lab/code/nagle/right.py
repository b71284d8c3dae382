# each message ends in a newline: read up to it
def receive(sock):
    messages = []
    for line in sock.makefile("rb"):
        if not line.endswith(b"\n"):
            raise EOFError("it ended inside a message")
        messages.append(line[:-1])
    return messages
