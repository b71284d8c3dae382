"""A server of lines on Twisted. Each line is answered a moment later, in order."""
from twisted.internet import endpoints, protocol, reactor, task
from twisted.protocols.basic import LineReceiver


class Lines(LineReceiver):
    def connectionMade(self):
        self.sendLine(b"welcome")

    def lineReceived(self, line):
        if line == b"quit":
            task.deferLater(reactor, 0.01, self.transport.loseConnection)
        else:
            task.deferLater(reactor, 0.005, self.answer, line)

    def answer(self, line):
        if self.connected:
            self.sendLine(b"you said " + line)


def listening(port):
    print("listening on port", port.getHost().port, flush=True)


factory = protocol.Factory.forProtocol(Lines)
endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory).addCallback(listening)
reactor.run()
