//! A TCP peer in the test's own hands: says bytes, hears bytes, ends as peers end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// How long anything may take before a test fails.
const LIMIT: Duration = Duration::from_secs(20);

/// Somebody who listens, and where.
pub(crate) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address").to_string();
    (listener, address)
}

/// An address where nobody listens, and nobody else can: it is taken.
pub(crate) struct Vacancy {
    socket: OwnedFd,
    pub(crate) address: String,
}

impl Vacancy {
    pub(crate) fn new() -> Vacancy {
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.expect("a socket can be had");
        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        let name = rustix::net::getsockname(&socket).expect("a bound socket has an address");
        let name = SocketAddrV4::try_from(name).expect("it is an address of IPv4");
        Vacancy { socket, address: name.to_string() }
    }

    /// Somebody listens there from now on, with room for so many who wait.
    pub(crate) fn listens(self, backlog: i32) -> TcpListener {
        rustix::net::listen(&self.socket, backlog).expect("a bound socket can listen");
        TcpListener::from(self.socket)
    }
}

/// A peer, connected.
pub(crate) struct Peer {
    stream: TcpStream,
}

impl Peer {
    pub(crate) fn connect(port: u16) -> Peer {
        Peer::new(TcpStream::connect(("127.0.0.1", port)).expect("somebody listens"))
    }

    /// The next to come.
    pub(crate) fn accept(listener: &TcpListener) -> Peer {
        Peer::new(listener.accept().expect("somebody connects").0)
    }

    fn new(stream: TcpStream) -> Peer {
        stream.set_read_timeout(Some(LIMIT)).expect("a socket takes a time limit");
        stream.set_nodelay(true).expect("a TCP socket takes the option");
        Peer { stream }
    }

    pub(crate) fn says(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the program takes what its peer says");
    }

    /// These very bytes come next.
    pub(crate) fn hears(&mut self, bytes: impl AsRef<[u8]>) {
        let mut heard = vec![0; bytes.as_ref().len()];
        self.stream.read_exact(&mut heard).expect("they come");
        assert_eq!(heard.escape_ascii().to_string(), bytes.as_ref().escape_ascii().to_string());
    }

    /// Everything that comes until the program ends its side.
    pub(crate) fn hears_all(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        self.stream.read_to_end(&mut heard).expect("the program ends its side");
        heard
    }

    /// The program has ended its side, and has said nothing more before that.
    pub(crate) fn hears_the_end(&mut self) {
        assert_eq!(self.hears_all().escape_ascii().to_string(), "");
    }

    /// The connection is gone, in order or not.
    pub(crate) fn is_dropped(&mut self) {
        match self.stream.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }

    /// Ends its side, and goes on listening.
    pub(crate) fn half_closes(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("an open side can be ended");
    }

    /// Goes without a word: the program sees a reset.
    pub(crate) fn resets(self) {
        set_socket_linger(self.stream.as_fd(), Some(Duration::ZERO)).expect("a TCP socket takes the option");
    }

    /// The socket itself.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }
}
