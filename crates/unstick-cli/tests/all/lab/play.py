# Plays a file of Python that `lab` shows, against sockets on loopback, and prints what it hands back.
#
#   play.py FILE stream HEX...     receive(sock): each part arrives once all before it has been read, then the end
#   play.py FILE datagrams HEX...  receive(sock): every part is a datagram that has been sent already
#   play.py FILE lengths           write_length and read_length, for lengths and headers from standard input
#   play.py FILE send PORT HEX...  send(sock, messages) over UDP to that port
#   play.py FILE measure PORT SECONDS  measure(sock) over UDP to that port; recv gives up after so many seconds
import array
import fcntl
import importlib.util
import select
import socket
import sys
import termios


def load(path):
    spec = importlib.util.spec_from_file_location("shown", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def queued(sock):
    count = array.array("i", [0])
    fcntl.ioctl(sock, termios.FIONREAD, count)
    return count[0]


class Scripted(socket.socket):
    """The receiver's end; its sender sends the next part when nothing is left to be read."""

    def deliver(self):
        if queued(self) > 0 or not self.parts:
            return
        part = self.parts.pop(0)
        self.sender.sendall(part)
        while queued(self) < len(part):
            select.select([self], [], [], 1)
        if not self.parts:
            self.sender.shutdown(socket.SHUT_WR)

    def recv(self, *arguments):
        self.deliver()
        return super().recv(*arguments)

    def recv_into(self, *arguments):
        self.deliver()
        return super().recv_into(*arguments)


def stream(parts):
    listener = socket.create_server(("127.0.0.1", 0))
    sender = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    receiver = Scripted(fileno=accepted.detach())
    receiver.sender, receiver.parts = sender, list(parts)
    return receiver


def datagrams(parts):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for part in parts:
        sender.sendto(part, receiver.getsockname())
    return receiver


def connected(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", int(port)))
    return sock


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main():
    shown, how, rest = load(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if how == "lengths":
        for line in sys.stdin:
            what, value = line.split()
            done = attempt(shown.write_length, int(value)) if what == "write" else attempt(shown.read_length, bytes.fromhex(value))
            print(done.hex() if isinstance(done, bytes) else done, flush=True)
    elif how == "send":
        shown.send(connected(rest[0]), [bytes.fromhex(part) for part in rest[1:]])
        print("sent")
    elif how == "measure":
        sock = connected(rest[0])
        sock.settimeout(float(rest[1]))
        took = attempt(shown.measure, sock)
        print(took if isinstance(took, str) else "measured" if took > 0 else "nothing measured")
    else:
        parts = [bytes.fromhex(part) for part in rest]
        got = attempt(shown.receive, stream(parts) if how == "stream" else datagrams(parts))
        print(got if isinstance(got, str) else "|".join(message.hex() for message in got))


main()
