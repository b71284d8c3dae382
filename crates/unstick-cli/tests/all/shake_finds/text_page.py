"""A web server of one page, which holds letters of more bytes than one."""
import http.server

TEXT = "<p>naïve café, 5 €</p>\n".encode()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT)

    def log_message(self, *_):
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
    print("listening on port", server.server_address[1], flush=True)
    server.serve_forever()
