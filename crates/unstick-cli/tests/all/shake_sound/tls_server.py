"""Lines over TLS, each answered, until one says quit; a thread a connection."""
import socketserver
import ssl
import sys

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])


class Handler(socketserver.StreamRequestHandler):
    def setup(self):
        self.request = context.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self):
        for line in self.rfile:
            if line == b"quit\n":
                return
            self.wfile.write(b"you said " + line)

    def finish(self):
        super().finish()
        try:
            self.request = self.request.unwrap()
        except (OSError, ValueError):
            pass


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 64
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


with Server(("127.0.0.1", 0), Handler) as server:
    print("listening on port", server.server_address[1], flush=True)
    server.serve_forever()
