# this is how long the kernel takes to copy 64 bytes
import time

def measure(sock):
    begun = time.perf_counter()
    sock.send(bytes(64))
    return time.perf_counter() - begun
