"""A web server on Tornado, whose handlers wait a moment before they answer."""
import asyncio
import logging

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

logging.disable(logging.CRITICAL)


class Page(RequestHandler):
    async def get(self):
        await asyncio.sleep(0.005)
        self.write("a page of Tornado\n")

    async def post(self):
        await asyncio.sleep(0.005)
        self.write(self.request.body)


async def main():
    server = HTTPServer(Application([("/page", Page), ("/echo", Page)]))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    print("listening on port", sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
