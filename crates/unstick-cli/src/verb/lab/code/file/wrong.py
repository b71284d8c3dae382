# read until the end: then the file is whole
def receive(sock):
    data = b""
    while more := sock.recv(1024):
        data += more
    return [data]
