//! A TCP peer that the test controls: it sends bytes, reads bytes, and closes as peers do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// How long any step may take before a test fails.
const LIMIT: Duration = Duration::from_secs(20);

/// A listener and its address.
pub(crate) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address").to_string();
    (listener, address)
}

/// An address that refuses connections, and that nobody else can take: it is bound.
pub(crate) struct Vacancy {
    socket: OwnedFd,
    pub(crate) address: String,
}

impl Vacancy {
    pub(crate) fn new() -> Vacancy {
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.expect("the system has a socket");
        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        let name = rustix::net::getsockname(&socket).expect("a bound socket has an address");
        let name = SocketAddrV4::try_from(name).expect("it is an address of IPv4");
        Vacancy { socket, address: name.to_string() }
    }

    /// Listens on the address from now on, with this backlog.
    pub(crate) fn listens(self, backlog: i32) -> TcpListener {
        rustix::net::listen(&self.socket, backlog).expect("a bound socket can listen");
        TcpListener::from(self.socket)
    }
}

/// A connected peer.
pub(crate) struct Peer {
    stream: TcpStream,
}

impl Peer {
    pub(crate) fn connect(port: u16) -> Peer {
        Peer::new(TcpStream::connect(("127.0.0.1", port)).expect("somebody listens"))
    }

    /// Accepts the next connection.
    pub(crate) fn accept(listener: &TcpListener) -> Peer {
        Peer::new(listener.accept().expect("somebody connects").0)
    }

    fn new(stream: TcpStream) -> Peer {
        stream.set_read_timeout(Some(LIMIT)).expect("a socket takes a time limit");
        stream.set_nodelay(true).expect("a TCP socket takes the option");
        Peer { stream }
    }

    pub(crate) fn says(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the program takes its peer's bytes");
    }

    /// Expects exactly these bytes next.
    pub(crate) fn hears(&mut self, bytes: impl AsRef<[u8]>) {
        let mut heard = vec![0; bytes.as_ref().len()];
        self.stream.read_exact(&mut heard).expect("they come");
        assert_eq!(heard.escape_ascii().to_string(), bytes.as_ref().escape_ascii().to_string());
    }

    /// Reads everything until the program ends its side.
    pub(crate) fn hears_all(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        self.stream.read_to_end(&mut heard).expect("the program ends its side");
        heard
    }

    /// Expects that the program ends its side without sending more.
    pub(crate) fn hears_the_end(&mut self) {
        assert_eq!(self.hears_all().escape_ascii().to_string(), "");
    }

    /// Expects that the connection is gone, in order or not.
    pub(crate) fn is_dropped(&mut self) {
        match self.stream.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }

    /// Shuts down its sending side, and goes on reading.
    pub(crate) fn half_closes(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("an open side can be ended");
    }

    /// Closes abruptly: the program sees a reset.
    pub(crate) fn resets(self) {
        set_socket_linger(self.stream.as_fd(), Some(Duration::ZERO)).expect("a TCP socket takes the option");
    }

    /// The socket itself.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }
}
