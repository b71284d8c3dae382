# the length first: an end before that is a cut
def receive(sock):
    length = int.from_bytes(exactly(sock, 8), "big")
    return [exactly(sock, length)]

def exactly(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(min(count - len(data), 65536))
        if not more:
            raise EOFError("the file was cut")
        data += more
    return data
