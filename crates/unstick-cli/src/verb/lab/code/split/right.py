# read on until the newline that ends the message
def receive(sock):
    data = b""
    while b"\n" not in data:
        more = sock.recv(1024)
        if not more:
            raise EOFError("it ended inside a message")
        data += more
    message, rest = data.split(b"\n", 1)
    return [message]  # rest: the next one has begun
