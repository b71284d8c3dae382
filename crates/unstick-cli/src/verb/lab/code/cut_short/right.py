# ask the kernel whether something was cut off
import socket

def receive(sock):
    data, _, flags, _ = sock.recvmsg(8)
    if flags & socket.MSG_TRUNC:
        raise ValueError("longer than a message may be")
    return [data]
