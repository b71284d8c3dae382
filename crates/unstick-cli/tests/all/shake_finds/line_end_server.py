"""Headers in lines that end with CR LF, as in HTTP; they are counted and sent back.

The mistake: line ends are made plain in each piece that arrives, so a CR LF in two pieces is overlooked.
"""
import json
import socketserver


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        text = ""
        while not text.endswith("\n\n"):
            data = self.request.recv(4096)
            if not data:
                break
            text += data.decode("latin-1").replace("\r\n", "\n")
        headers = dict(line.split(": ") for line in text.strip().split("\n"))
        self.wfile.write(json.dumps(headers).encode() + b"\n")


with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
    print("listening on port", server.server_address[1], flush=True)
    server.serve_forever()
