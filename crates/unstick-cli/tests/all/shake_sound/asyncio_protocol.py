"""Lines on an asyncio Protocol: each is answered after a moment, in order. The buffer keeps what is not a line yet."""
import asyncio


class Lines(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            asyncio.get_running_loop().call_later(0.005, self.answer, line)

    def answer(self, line):
        if not self.transport.is_closing():
            self.transport.write(line.upper() + b"\n")


async def main():
    server = await asyncio.get_running_loop().create_server(Lines, "127.0.0.1", 0)
    print("listening on port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
