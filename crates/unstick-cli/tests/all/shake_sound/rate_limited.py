"""Lines, for so many connections a second; who comes beyond that is told to come later."""
import socketserver
import sys
import threading
import time

A_SECOND = int(sys.argv[1])
lock = threading.Lock()
begun = [time.monotonic(), 0]


def is_allowed():
    with lock:
        if time.monotonic() - begun[0] >= 1:
            begun[:] = [time.monotonic(), 0]
        begun[1] += 1
        return begun[1] <= A_SECOND


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        if not is_allowed():
            self.wfile.write(b"too many connections, come again later\n")
            return
        for line in self.rfile:
            self.wfile.write(b"you said " + line)


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 64
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


with Server(("127.0.0.1", 0), Handler) as server:
    print("listening on port", server.server_address[1], flush=True)
    server.serve_forever()
