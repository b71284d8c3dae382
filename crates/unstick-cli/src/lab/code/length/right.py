# exactly 4 bytes, then exactly as many as they say
import struct

def exactly(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise EOFError("it ended inside a message")
        data += more
    return data

def receive(sock):
    (length,) = struct.unpack("!I", exactly(sock, 4))
    return [exactly(sock, length)]
