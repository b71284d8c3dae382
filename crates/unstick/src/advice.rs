//! What a caller can change so that a failed operation succeeds, as a value. A program translates it into its own
//! option names.
//!
//! Not here: the wording of any program.

use std::fmt;
use std::io;

/// What to change so that a failed operation succeeds.
///
/// [`Display`](fmt::Display) words it for somebody who writes a program with this library. A program with its own
/// options matches the value and names its option. New versions may add more: match the rest with `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Keep trying to connect for a while: [`Options::retry`](crate::Options::retry).
    Retry,
    /// Connect to a command instead of listening on it, or bridge a listener to it.
    ConnectToCommand,
    /// Connect to standard input and output instead of listening on them.
    ConnectToStdio,
    /// Name the framing of a stream, so that its bytes become messages.
    NameFraming,
    /// Allow a UDP socket to send to broadcast addresses: `Options::udp.broadcast`.
    AllowBroadcast,
    /// Set no permissions for a socket without a file: [`Options::mode`](crate::Options::mode).
    LeaveOutMode,
    /// Allow longer messages of transports whose messages need no framing:
    /// `WsOptions::largest`.
    AllowLongerMessages,
    /// Allow unfinished messages to hold more memory together: [`PendingBudget`](crate::PendingBudget).
    AllowMorePending,
    /// Allow a message more time from its first byte to its last: [`Options::frame_timeout`](crate::Options::frame_timeout).
    AllowSlowerMessages,
    /// Send pings less often, which also gives an answer more time: `WsOptions::ping`.
    PingLessOften,
    /// Send WebSocket messages as binary ones if they are not UTF-8: `WsOptions::kind`.
    AllowBinaryMessages,
    /// Allow more processes at once: `Processes::at_most`.
    AllowMoreProcesses,
    /// Add a header line `Authorization` to the request that opens a WebSocket. It says who this end is.
    AuthorizationHeader,
    /// Name another host in the request that opens a WebSocket, in a header line `Host`.
    HostHeader,
    /// Offer the subprotocol with `WsOptions::protocols`, not with a header line.
    OfferSubprotocol,
    /// Let pages of this origin open WebSockets: `WsOptions::origins`.
    AllowOrigin(String),
    /// Give the proxy a user and a password.
    ProxyLogin {
        /// The scheme of the proxy's URL, without `://`.
        scheme: &'static str,
    },
    /// Do not depend on the system's authorities: name authorities, or pin a certificate.
    TrustWithoutSystem,
    /// Trust the authority that signed the server's certificate, or pin the certificate.
    TrustAuthorityOrPin {
        /// The fingerprint (SHA-256) of the certificate that was seen, which an attacker may have shown.
        fingerprint: String,
    },
    /// Pin the server's certificate, once its owner has confirmed the fingerprint.
    PinCertificate {
        /// The fingerprint (SHA-256) of the certificate that was seen, which an attacker may have shown.
        fingerprint: String,
    },
    /// Have the client pin the certificate that this listener made for itself.
    ClientPinsCertificate,
    /// Expect a certificate for another name, and ask the server for it (SNI): `TlsOptions::server_name`.
    SetServerName,
    /// Show a certificate: `TlsOptions::identity`.
    ShowCertificate,
    /// Give a listener a certificate, or have it make one: `TlsOptions::identity`.
    GiveListenerCertificate,
    /// Name the file that holds the private key of the certificate.
    NameKeyFile,
    /// Name a server that [`shake`](crate::service) can connect to: by TCP, TLS, WebSocket or a Unix stream socket.
    NameStreamServer,
    /// Name the address on which the started server listens, or give the server a free port.
    NameServerAddress,
    /// Start a new server for every case.
    StartServerForEachCase,
    /// Run one case at a time, or start a new server for every case.
    OneCaseAtATime,
    /// Give the client something to send.
    SendSomething,
    /// Allow each run more time.
    AllowLongerRuns,
    /// Send whole messages in the framing of the server, or allow each run more time.
    FramingOrLongerRuns,
    /// Allow all cases together more time, or try fewer of them.
    AllowMoreTimeOrFewerCases,
    /// Record a conversation: [`Options::recorder`](crate::Options).
    RecordConversation,
    /// Name a framing that has messages.
    NameFramingWithMessages,
    /// Replay one connection of the recording.
    ReplayOneConnection,
}

/// A cause with its advice, inside an `io::Error`.
#[derive(Debug, Clone)]
pub(crate) struct Advised {
    pub(crate) text: String,
    pub(crate) advice: Advice,
}

impl Advised {
    /// Returns the cause and its advice, if the `io::Error` holds one.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Advised {}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retry => "`Options::retry` keeps trying",
            Self::ConnectToCommand => "connect to it, or bridge a listener to it",
            Self::ConnectToStdio => "connect to it instead",
            Self::NameFraming => "a framing makes messages of them",
            Self::AllowBroadcast => "a broadcast address needs `UdpOptions::broadcast`",
            Self::LeaveOutMode => "`Options::mode` is for sockets with a path",
            Self::AllowLongerMessages => "`WsOptions::largest` allows more",
            Self::AllowMorePending => "a larger `PendingBudget` allows more",
            Self::AllowSlowerMessages => "`Options::frame_timeout` allows it more time",
            Self::PingLessOften => "`WsOptions::ping` sets the time",
            Self::AllowBinaryMessages => "only `MessageKind::Text` needs UTF-8: such a message can go as a binary one",
            Self::AllowMoreProcesses => "`Processes::at_most` sets how many may run at once",
            Self::AuthorizationHeader => "a header line `Authorization` sends credentials",
            Self::HostHeader => "a header line `Host` asks for another",
            Self::OfferSubprotocol => "`WsOptions::protocols` asks for a subprotocol",
            Self::AllowOrigin(origin) => return write!(f, "`{origin}` in `WsOptions::origins` lets its pages in"),
            Self::ProxyLogin { scheme } => {
                return write!(f, "write the login into the proxy's URL: {scheme}://USER:PASSWORD@HOST:PORT");
            }
            Self::TrustWithoutSystem => "named authorities or a pinned certificate need none of the system's",
            Self::TrustAuthorityOrPin { fingerprint } => {
                return write!(f, "trust its authority; {}", Self::PinCertificate { fingerprint: fingerprint.clone() });
            }
            Self::PinCertificate { fingerprint } => {
                return write!(
                    f,
                    "anybody can show a certificate: pin it only if the server's owner confirms its fingerprint, which \
                     is {fingerprint}"
                );
            }
            Self::ClientPinsCertificate => "a client trusts a listener's own certificate only where the client pins it",
            Self::SetServerName => "`TlsOptions::server_name` sets the name",
            Self::ShowCertificate => "`TlsOptions::identity` holds the certificate to show",
            Self::GiveListenerCertificate => "`TlsOptions::identity` holds one, from files or self-signed",
            Self::NameKeyFile => "name the file that holds the key",
            Self::NameStreamServer => "a TCP, TLS, WebSocket or Unix stream address is needed",
            Self::NameServerAddress => {
                "name the address where it listens; with port 0, {port} in its command is a free one"
            }
            Self::StartServerForEachCase => "start the server again for every case",
            Self::OneCaseAtATime => {
                "one case at a time asks less of it; a server that is started for every case is new"
            }
            Self::SendSomething => "give the client a message to send",
            Self::AllowLongerRuns => "a longer timeout gives each run more time",
            Self::FramingOrLongerRuns => {
                "the framing may be another one, or the answer late: a longer timeout waits longer"
            }
            Self::AllowMoreTimeOrFewerCases => "more time or a smaller depth lets it finish",
            Self::RecordConversation => "record a conversation",
            Self::NameFramingWithMessages => "name a framing that has messages, such as redis",
            Self::ReplayOneConnection => "replay one connection of it",
        })
    }
}
