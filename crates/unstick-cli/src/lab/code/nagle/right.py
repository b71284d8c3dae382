# each message ends in a newline, and is read up to it
def receive(sock):
    lines = sock.makefile("rb")
    return [lines.readline()[:-1] for _ in range(3)]
