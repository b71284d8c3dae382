import hashlib
import json
import socket
import struct
import sys


def send_object(sock, value):
    data = json.dumps(value).encode()
    sock.sendall(struct.pack("!I", len(data)) + data)


host, port, name, path = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
sha256 = hashlib.sha256()

with socket.create_connection((host, port)) as sock:
    send_object(sock, {"get": name})
    stream = sock.makefile("rb")  # its read(n) returns n bytes, however they arrive
    (length,) = struct.unpack("!I", stream.read(4))
    header = json.loads(stream.read(length))
    if "size" not in header:
        sys.exit(header["error"])
    left = header["size"]
    with open(path, "xb") as file:
        while left > 0:
            part = stream.read(min(left, 65536))
            if not part:
                sys.exit(f"the server closed the connection: {left} bytes are missing")
            file.write(part)
            sha256.update(part)
            left -= len(part)
    send_object(sock, {"ok": True, "sha256": sha256.hexdigest()})

print(sha256.hexdigest(), path)
