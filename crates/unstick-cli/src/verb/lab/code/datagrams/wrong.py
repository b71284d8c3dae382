# a length and a body, as from a stream
import struct

def receive(sock):
    (length,) = struct.unpack("!I", sock.recv(4))
    return [sock.recv(length)]  # of the next datagram
