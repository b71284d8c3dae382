"""A small server: a 4-byte length in front of each message; answers in capitals. Usage: server.py PORT"""

import socket
import struct
import sys


def read_exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def serve(connection: socket.socket) -> None:
    try:
        while True:
            (length,) = struct.unpack("!I", read_exactly(connection, 4))
            message = read_exactly(connection, length).upper()
            connection.sendall(struct.pack("!I", len(message)) + message)
    except EOFError:
        pass


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                serve(connection)
