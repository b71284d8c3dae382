# there and back: the other side has really received it
import time

def measure(sock):
    begun = time.perf_counter()
    sock.send(bytes(64))
    sock.recv(64)
    return time.perf_counter() - begun
