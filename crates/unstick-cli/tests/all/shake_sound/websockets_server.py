"""An echo on the package websockets; inside TLS with `websockets_server.py CERTIFICATE KEY`."""
import asyncio
import logging
import ssl
import sys

from websockets.asyncio.server import serve

logging.disable(logging.CRITICAL)


async def echo(connection):
    async for message in connection:
        await connection.send(message)


context = None
if sys.argv[1:]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:])


async def main():
    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
        print("listening on port", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
