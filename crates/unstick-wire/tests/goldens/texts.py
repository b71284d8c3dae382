"""Protocols of text: heads and bodies, lines, events. From libraries and programs where those let their bytes be had.

pip install h11 sse-starlette pynmea2 pyais; apt install sip-tester
"""

import json
import re
import socket
import subprocess
import threading

import h11
import pyais
import pynmea2
from sse_starlette.event import ServerSentEvent

from golden import Golden


def http():
    g = Golden("http", "HTTP/1.1", "RFC 9112 sections 6 and 7.1; RFC 9110 section 15", "h11")
    headers = lambda *more: [("Host", "example.test"), *more]
    chunked, length = ("Transfer-Encoding", "chunked"), lambda n: ("Content-Length", str(n))

    def write(connection, *events):
        return b"".join(connection.send(event) for event in events)

    # A connection each, so that none has to be told what the other side says.
    request = lambda *events: write(h11.Connection(h11.CLIENT), *events, h11.EndOfMessage())
    g.client(request(h11.Request(method="GET", target="/page", headers=headers())), "no body")
    g.client(request(h11.Request(method="POST", target="/", headers=headers(length(12))), h11.Data(b"two\r\n\r\nlines")), "a body with an empty line in it")
    trailer = h11.EndOfMessage(headers=[("Digest", "none")])
    g.client(write(h11.Connection(h11.CLIENT), h11.Request(method="PUT", target="/a", headers=headers(chunked)), h11.Data(b"hello"), h11.Data(b"0\r\n\r\n" * 6), trailer), "chunks, and a trailer")
    g.client(request(h11.Request(method="DELETE", target="/a", headers=headers(length(0)))), "an empty body")

    def response(method, *events):
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(f"{method} / HTTP/1.1\r\nHost: example.test\r\n\r\n".encode())
        while connection.next_event() is not h11.NEED_DATA and connection.their_state is not h11.DONE:
            pass
        return write(connection, *events)

    answer = lambda status, *headers: h11.Response(status_code=status, headers=list(headers))
    end = h11.EndOfMessage()
    g.server(response("GET", h11.InformationalResponse(status_code=103, headers=[("Link", "</a.css>")])), "not the last answer: no body")
    g.server(response("GET", answer(200, length(6)), h11.Data(b"hello\n"), end), "")
    g.server(response("GET", answer(200, chunked), h11.Data(b"hello"), h11.Data(b"x" * 26), end), "chunks, their lengths in hexadecimal")
    g.server(response("GET", answer(304, length(6)), end), "the length of what is not sent again")
    g.server(response("DELETE", answer(204), end), "no body, and no length")
    g.server(response("GET", answer(404, length(0)), end), "")
    g.write()


def sip():
    """A call of SIPp's client to its server, over a connection that is listened to."""
    version = subprocess.run(["sipp", "-v"], capture_output=True, text=True).stdout.split()[1].rstrip(".")
    g = Golden("sip", "SIP over TCP and TLS", "RFC 3261 sections 7 and 18.3, RFC 5626 section 3.5.1 (keep-alives)", f"SIPp {version}")
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(["sipp", "-sn", "uas", "-t", "t1", "-i", "127.0.0.1", "-p", str(port), "-m", "1"], **quiet)
    between = socket.create_server(("127.0.0.1", 0))
    client = subprocess.Popen(["sipp", "-sn", "uac", "-t", "t1", "-i", "127.0.0.1", "-m", "1", f"127.0.0.1:{between.getsockname()[1]}"], **quiet)
    near, _ = between.accept()
    while True:
        try:
            far = socket.create_connection(("127.0.0.1", port))
            break
        except ConnectionRefusedError:
            pass
    said = {near: b"", far: b""}

    def pump(source, target):
        while data := source.recv(4096):
            said[source] += data
            target.sendall(data)

    for ends in [(near, far), (far, near)]:
        threading.Thread(target=pump, args=ends, daemon=True).start()
    client.wait(20)
    server.terminate()
    messages = lambda stream: re.split(rb"(?<=\r\n)(?=(?:INVITE|ACK|BYE) sip:|SIP/2\.0 )", stream)
    for way, side in [(g.client, near), (g.server, far)]:
        for message in messages(said[side]):
            way(message, message.split(b"\r\n")[0].decode())
    compact = b"OPTIONS sip:example.test SIP/2.0\r\nv: SIP/2.0/TCP client.test;branch=z9hG4bK1\r\nf: <sip:a@client.test>;tag=1\r\nt: <sip:example.test>\r\ni: 1@client.test\r\nCSeq: 1 OPTIONS\r\nl: 3\r\n\r\nabc"
    g.client(compact, "compact names, RFC 3261 section 7.3.3: by hand")
    alive(g.client, g, b"\r\n\r\n" + compact, "a keep-alive before it", 4)
    alive(g.server, g, b"\r\nSIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "the answer to a keep-alive before it", 2)
    g.write()


def alive(way, g, frame, note, head):
    """A frame that is read and not written: its first bytes belong to no message."""
    way(frame, note, head=head)
    g.lines[-1] = g.lines[-1][0] + "~" + g.lines[-1][2:]


def rtsp():
    g = Golden("rtsp", "RTSP 1.0 and 2.0, with its interleaved frames", "RFC 2326 sections 4 and 10.12, RFC 7826 sections 5.3 and 14; after the RFC's own example, by hand")
    line = lambda *lines: "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
    g.client(line("SETUP rtsp://foo.com/bar.file RTSP/1.0", "CSeq: 2", "Transport: RTP/AVP/TCP;interleaved=0-1"), "no Content-Length: no body")
    g.client(line("PLAY rtsp://foo.com/bar.file RTSP/1.0", "CSeq: 3", "Session: 12345678"))
    g.client(b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x07", "a receiver's report, on channel 1")
    g.client(line("SET_PARAMETER rtsp://foo.com/bar.file RTSP/1.0", "CSeq: 4", "Content-length: 20", "Content-type: text/parameters") + b"barparam: barstuff\r\n")
    g.server(line("RTSP/1.0 200 OK", "CSeq: 2", "Date: 05 Jun 1997 18:57:18 GMT", "Transport: RTP/AVP/TCP;interleaved=0-1", "Session: 12345678"))
    g.server(line("RTSP/1.0 200 OK", "CSeq: 3", "Session: 12345678"))
    g.server(b"$\x00\x00\x10\x80\x60\x00\x01\x00\x00\x00\xa0\x12\x34\x56\x78\r\n\r\n", "RTP, with what looks like the end of a head")
    g.server(b"$\x00\x01\x2c" + bytes(300), "300 bytes of them")
    g.server(b"$\x01\x00\x00", "and none")
    g.server(line("RTSP/1.0 451 Invalid Parameter", "CSeq: 4", "Content-length: 10", "Content-type: text/parameters") + b"barparam\r\n")
    g.server(line("OPTIONS * RTSP/2.0", "CSeq: 1"), "a server asks, too")
    g.write()


def sse():
    g = Golden("sse", "Server-sent events", "WHATWG HTML section 9.2.6 (interpreting an event stream)", "sse-starlette")

    for sep in ["\n", "\r\n", "\r"]:
        for fields, note in [
            (dict(data="hello"), ""),
            (dict(data="two\nlines", event="add", id="7", retry=10), "fields in lines"),
            (dict(comment="still there"), "a comment, to keep the connection"),
        ]:
            frame = ServerSentEvent(sep=sep, **fields).encode()
            tail = 2 * len(sep)
            g.server(frame, note, head=0, tail=tail)
            if sep != "\n":
                g.lines[-1] = "<~" + g.lines[-1][2:]
    g.write()


def lines():
    g = Golden("irc", "IRC", "RFC 2812 sections 2.3 and 3; by hand")
    for text in [b"NICK guest", b"USER guest 0 * :Ronnie Reagan", b"JOIN #chan", b"PRIVMSG #chan :hello there", b"QUIT"]:
        g.client(text + b"\r\n", head=0, tail=2)
    for text in [b":irc.example.test 001 guest :Welcome", b"PING :irc.example.test", b":a!b@c PRIVMSG #chan :hi"]:
        g.server(text + b"\r\n", head=0, tail=2)
    g.write()
    g = Golden("smtp", "SMTP", "RFC 5321 section 2.3.8 and appendix D.1; by hand")
    for text in [b"EHLO bar.com", b"MAIL FROM:<Smith@bar.com>", b"RCPT TO:<Jones@foo.com>", b"DATA", b"Blah blah blah...", b"..a line that began with a dot", b"a bare \n is no end", b".", b"QUIT"]:
        g.client(text + b"\r\n", head=0, tail=2)
    for text in [b"220 foo.com Simple Mail Transfer Service Ready", b"250-foo.com greets bar.com", b"250-8BITMIME", b"250 HELP", b"354 Start mail input; end with <CRLF>.<CRLF>", b"221 foo.com Service closing transmission channel"]:
        g.server(text + b"\r\n", head=0, tail=2)
    g.write()
    g = Golden("ndjson", "JSON in lines", "https://github.com/ndjson/ndjson-spec section 3.1", "CPython's json")
    for value in [{"id": 1, "text": "two\nlines"}, [], None, "\u00e9", 1.5]:
        g.client(json.dumps(value).encode() + b"\n", head=0, tail=1)
        g.server(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n", head=0, tail=1)
    g.write()


def nmea():
    g = Golden("nmea", "NMEA 0183 and AIS", "NMEA 0183 version 4, sentences: $ or !, fields, *hh, CRLF", "pynmea2", "pyais")
    gga = pynmea2.GGA("GP", "GGA", ("184353.07", "1929.045", "S", "02410.506", "E", "1", "04", "2.6", "100.00", "M", "-33.9", "M", "", "0000"))
    g.server(str(gga).encode() + b"\r\n", "a position", head=0, tail=2)
    for sentence in pyais.encode_dict({"type": 5, "mmsi": "366962000", "shipname": "A LONG NAME OF A", "destination": "NEW YORK"}):
        g.server(sentence.encode() + b"\r\n", "AIS, a message in two sentences", head=0, tail=2)
    g.server(str(pynmea2.RMC("GP", "RMC", ("",) * 12)).encode() + b"\r\n", "nothing known", head=0, tail=2)
    g.client(str(pynmea2.ProprietarySentence("UBX", ("00",))).encode() + b"\r\n", "a question to a receiver", head=0, tail=2)
    g.write()


for make in [http, sip, rtsp, sse, lines, nmea]:
    make()
