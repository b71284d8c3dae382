"""Tells the time and closes without having read anything, as RFC 867 has it."""
import socketserver
import time


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(time.strftime("%A, %B %d, %Y %H:%M:%S-UTC\r\n", time.gmtime()).encode())


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 64
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


with Server(("127.0.0.1", 0), Handler) as server:
    print("listening on port", server.server_address[1], flush=True)
    server.serve_forever()
