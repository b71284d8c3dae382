"""Reads one line, answers it and closes at once, whatever else was sent: some of it may still be on its way."""
import socketserver


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"you said " + self.rfile.readline())


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 64
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


with Server(("127.0.0.1", 0), Handler) as server:
    print("listening on port", server.server_address[1], flush=True)
    server.serve_forever()
