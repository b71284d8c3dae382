"""A web server on aiohttp. Each handler waits a moment before it answers, as one that asks a database does."""
import asyncio
import logging

from aiohttp import web

logging.basicConfig(level=logging.CRITICAL)


async def page(request):
    await asyncio.sleep(0.005)
    return web.Response(text="a page of aiohttp\n")


async def echo(request):
    body = await request.read()
    await asyncio.sleep(0.005)
    return web.Response(body=body)


async def main():
    app = web.Application()
    app.add_routes([web.get("/page", page), web.post("/echo", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print("listening on port", site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
