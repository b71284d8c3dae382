//! What comes out of a capture.

use std::net::SocketAddr;

use unstick_wire::Role;

/// Which protocol carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// TCP: a stream of bytes each way.
    Tcp,
    /// UDP: datagrams between two ends, which are called a connection here.
    Udp,
}

/// Something that happened in a capture. Times are nanoseconds since 1970 in UTC, where the file has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The first packet of a connection.
    Open {
        /// The number of the connection: 1, 2, 3 ... in the order of their first packets.
        connection: u64,
        /// What carries it.
        protocol: Protocol,
        /// The end that has connected; where the capture does not show that, the one with the higher port.
        client: SocketAddr,
        /// The other end.
        server: SocketAddr,
        /// Whether the capture shows its beginning.
        whole: bool,
        /// When.
        time: Option<u64>,
    },
    /// Bytes in order: what is new in one segment.
    Bytes {
        /// The number of the connection.
        connection: u64,
        /// Who has sent them.
        from: Role,
        /// The bytes.
        bytes: &'a [u8],
        /// When they were captured.
        time: Option<u64>,
    },
    /// Bytes that were sent and are not in the capture.
    Gap {
        /// The number of the connection.
        connection: u64,
        /// Who has sent them.
        from: Role,
        /// How many they are.
        bytes: u64,
    },
    /// A datagram.
    Datagram {
        /// The number of the connection.
        connection: u64,
        /// Who has sent it.
        from: Role,
        /// What was captured of it.
        bytes: &'a [u8],
        /// Number of its bytes on the wire.
        length: u32,
        /// When.
        time: Option<u64>,
    },
    /// One side has ended its direction (FIN), and all its bytes have come out.
    End {
        /// The number of the connection.
        connection: u64,
        /// Which side.
        from: Role,
        /// When.
        time: Option<u64>,
    },
    /// Nothing more comes of this connection.
    Close {
        /// The number of the connection.
        connection: u64,
        /// Why.
        reason: CloseReason,
        /// When.
        time: Option<u64>,
    },
}

/// Why nothing more comes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides have ended it.
    Ended,
    /// This side has reset it.
    Reset(Role),
    /// The capture ends before it.
    CaptureEnded,
    /// The same ends have opened another one.
    Replaced,
    /// There were too many, and it was silent for long.
    Forgotten,
}
