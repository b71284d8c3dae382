"""Commands in lines, each answered. A line that is not whole yet is waited for.

The mistake: what follows the first line in a read is thrown away with the buffer.
"""
import socketserver


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        buffer = b""
        while True:
            data = self.request.recv(1024)
            if not data:
                return
            buffer += data
            if b"\n" in buffer:
                line = buffer.split(b"\n")[0]
                self.request.sendall(b"done: " + line + b"\n")
                buffer = b""


with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
    print("listening on port", server.server_address[1], flush=True)
    server.serve_forever()
