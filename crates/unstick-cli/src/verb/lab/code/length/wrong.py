# the first read returns the length, alone and whole
import struct

def receive(sock):
    header = sock.recv(1024)
    (length,) = struct.unpack("!I", header)
    return [sock.recv(length)]
