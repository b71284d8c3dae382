"""Lines in capitals: `lines.py MODE unix PATH`, `lines.py MODE tls CERTIFICATE KEY`, `lines.py MODE ws`.

MODE sound keeps what is not a whole line, or frame, for the next read. MODE hasty takes each read for one: the mistake.
UNSTICK_PORT says where to listen, or nothing does. REFUSES="6 9-" closes these connections, counted from 0, at once.
"""
import base64
import hashlib
import itertools
import os
import socket
import ssl
import sys
import threading

mode, transport, *places = sys.argv[1:]


def lines(connection):
    rest = b""
    while data := connection.recv(4096):
        rest += data
        if mode == "sound":
            *whole, rest = rest.split(b"\n")
        else:
            whole, rest = [rest.rstrip(b"\n")], b""
        for line in whole:
            connection.sendall(line.upper() + b"\n")


def upgraded(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1)
    key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def frames(connection):
    upgraded(connection)
    rest = b""
    while data := connection.recv(4096):
        rest += data
        while len(rest) >= 6:
            length = rest[1] & 127
            if mode == "sound" and len(rest) < 6 + length:
                break
            first, mask, payload, rest = rest[0], rest[2:6], rest[6 : 6 + length], rest[6 + length :]
            text = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
            connection.sendall(bytes([first, len(text)]) + (text if first & 8 else text.upper()))
            if first & 15 == 8:
                return


def serve(connection):
    try:
        if transport == "tls":
            connection = context.wrap_socket(connection, server_side=True)
        frames(connection) if transport == "ws" else lines(connection)
        connection.close()
    except OSError:
        pass


if transport == "unix":
    server = socket.socket(socket.AF_UNIX)
    server.bind(places[0])
    server.listen(64)
    print("listening", flush=True)
else:
    server = socket.create_server(("127.0.0.1", int(os.environ.get("UNSTICK_PORT", 0))), backlog=64)
    print("listening on port", server.getsockname()[1], flush=True)
if transport == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*places)


def refused(number):
    ranges = [one.partition("-") for one in os.environ.get("REFUSES", "").split()]
    return any(int(low) <= number <= (int(high or 1 << 30) if dash else int(low)) for low, dash, high in ranges)


for number in itertools.count():
    connection = server.accept()[0]
    if refused(number):
        connection.close()
        continue
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
