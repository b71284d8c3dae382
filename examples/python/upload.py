import hashlib
import json
import os
import socket
import struct
import sys

host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sha256 = hashlib.sha256()

with socket.create_connection((host, port)) as sock, open(path, "rb") as file:
    header = json.dumps({"name": os.path.basename(path), "size": os.path.getsize(path)}).encode()
    sock.sendall(struct.pack("!I", len(header)) + header)
    while part := file.read(65536):
        sock.sendall(part)
        sha256.update(part)
    stream = sock.makefile("rb")  # its read(n) returns n bytes, however they arrive
    (length,) = struct.unpack("!I", stream.read(4))
    answer = json.loads(stream.read(length))

if not answer["ok"]:
    sys.exit(answer["error"])
if answer["sha256"] != sha256.hexdigest():
    sys.exit("the server has other bytes")
print(answer["sha256"], path)
