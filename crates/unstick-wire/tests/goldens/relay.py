"""TURN over TCP as aioice speaks it to this script, which is its server.

pip install aioice
"""

import asyncio
import hashlib
import struct

from aioice import stun, turn

from golden import Golden

PEER = ("192.0.2.9", 5000)
KEY = hashlib.md5(b"guest:example.test:secret").digest()


class Peer(asyncio.DatagramProtocol):
    """What is at aioice's end of the relay."""

    def __init__(self):
        self.heard = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.heard.put_nowait(data)


def answered(request):
    """What a server says to a request: without credentials that it wants some, else yes."""
    answer = stun.Message(request.message_method, stun.Class.RESPONSE, transaction_id=request.transaction_id)
    if "USERNAME" not in request.attributes:
        answer.message_class = stun.Class.ERROR
        answer.attributes.update({"ERROR-CODE": (401, "Unauthorized"), "NONCE": b"once", "REALM": "example.test"})
        return answer
    if request.message_method == stun.Method.ALLOCATE:
        answer.attributes["XOR-RELAYED-ADDRESS"] = ("192.0.2.1", 50000)
        answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.15", 32853)
    if request.message_method != stun.Method.CHANNEL_BIND:
        answer.attributes["LIFETIME"] = request.attributes["LIFETIME"]
    answer.add_message_integrity(KEY)
    return answer


async def conversation():
    source = "RFC 8656 sections 5 and 12.5: ChannelData is padded to four, and a length does not count that"
    g = Golden("turn", "TURN over TCP: STUN messages and ChannelData", source, "aioice", "what servers send in channels: by hand")
    heard, over = asyncio.Queue(), asyncio.Event()

    async def serve(reader, writer):
        while head := await reader.read(4):
            head += await reader.readexactly(4 - len(head))
            length = struct.unpack("!H", head[2:])[0]
            if head[0] >> 6 == 1:
                pad = -length % 4
                g.client(head + await reader.readexactly(length + pad), f"ChannelData, {pad} bytes behind it", head=0, tail=pad)
                heard.put_nowait(writer)
                continue
            request = head + await reader.readexactly(16 + length)
            message = stun.parse_message(request)
            g.client(request, message.message_method.name)
            answer = answered(message)
            g.server(bytes(answer), answer.message_class.name)
            writer.write(bytes(answer))
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    relay, peer = await turn.create_turn_endpoint(Peer, address, "guest", "secret", transport="tcp")
    for data in [b"hello", b"four by2", b""]:
        relay.sendto(data, PEER)
        writer = await heard.get()
    for data in [b"hi", b"abc", b"\0\1\0\0"]:
        pad = -len(data) % 4
        frame = struct.pack("!HH", 0x4000, len(data)) + data + bytes(pad)
        g.server(frame, "ChannelData", head=0, tail=pad)
        writer.write(frame)
        assert await peer.heard.get() == data
    relay.close()
    await over.wait()
    g.server(struct.pack("!HH", 0x4FFF, 0), "no data", head=0)
    g.write()


asyncio.run(conversation())
