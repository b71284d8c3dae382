"""The same small application for gunicorn (WSGI) and for uvicorn (ASGI)."""
import asyncio
import time


def wsgi(environ, start_response):
    body = environ["wsgi.input"].read() if environ.get("CONTENT_LENGTH") else b""
    time.sleep(0.002)
    answer = b"a page: " + body + b"\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(scope, receive, send):
    body, more = b"", True
    while more:
        event = await receive()
        if event["type"] != "http.request":
            return
        body += event["body"]
        more = event.get("more_body", False)
    await asyncio.sleep(0.005)
    answer = b"a page: " + body + b"\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
