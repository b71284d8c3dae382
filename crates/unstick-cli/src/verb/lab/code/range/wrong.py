# signed: half the range, and negative lengths to read
import struct

def write_length(length):
    return struct.pack("!i", length)

def read_length(header):
    return struct.unpack("!i", header)[0]
