# exactly 4 bytes, then exactly as many as they say
import struct

def exactly(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            break  # the stream has ended
        data += more
    return data

def receive(sock):
    messages = []
    while header := exactly(sock, 4):
        if len(header) < 4:
            raise EOFError("it ended inside a length")
        (length,) = struct.unpack("!I", header)
        body = exactly(sock, length)
        if len(body) < length:
            raise EOFError("it ended inside a message")
        messages.append(body)
    return messages
