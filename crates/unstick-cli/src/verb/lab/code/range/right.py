# unsigned, and nobody makes you wait for 4 GiB
import struct

LIMIT = 16 * 1024 * 1024

def checked(length):
    if length > LIMIT:
        raise ValueError(f"{length} bytes are too many")
    return length

def write_length(length):
    return struct.pack("!I", checked(length))

def read_length(header):
    return checked(struct.unpack("!I", header)[0])
