//! Endpoints: one file for each transport, and the one place where all of them are opened.
//!
//! Streams and datagrams are different types: a framing wraps a stream, a datagram already is a message.
//!
//! Not here: framings. [`crate::link`] puts a framing around what an endpoint hands out.

mod accepting;
mod closing;
mod datagrams;
#[cfg(feature = "exec")]
mod exec;
mod family;
#[cfg(any(feature = "tls", feature = "ws"))]
mod handshakes;
#[cfg(any(feature = "proxy", feature = "ws"))]
mod http_head;
mod inbox;
mod mem;
mod notices;
mod options;
mod port_owner;
#[cfg(feature = "proxy")]
mod proxy;
#[cfg(unix)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux splices"))]
mod ready;
mod record;
mod request;
pub(crate) mod resolve;
#[cfg(all(unix, feature = "serial"))]
mod serial;
#[cfg(unix)]
mod socket_activation;
mod stdio;
mod tcp;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod transport;
mod udp;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_dgram;
#[cfg(unix)]
mod unix_file;
#[cfg(unix)]
mod unix_name;
#[cfg(unix)]
mod unix_packets;
#[cfg(unix)]
mod unix_seqpacket;
pub(crate) mod write_error;
#[cfg(feature = "ws")]
pub(crate) mod ws;
#[cfg(all(unix, feature = "ws"))]
pub(crate) mod ws_unix;
#[cfg(all(feature = "tls", feature = "ws"))]
pub(crate) mod wss;

use std::future::Future;
use std::pin::Pin;

use crate::address::Address;
use crate::advice::Advice;
use crate::error::{Error, Result};

pub use closing::Closing;
pub(crate) use closing::Closings;
pub(crate) use datagrams::{Batch, RecvDatagrams};
pub use family::AddressFamily;
pub use notices::{Notice, Notices};
pub use options::{Options, Trace, UdpOptions};
#[cfg(feature = "proxy")]
pub use proxy::settings::Proxy;
#[cfg(target_os = "linux")]
pub(crate) use ready::ReadySocket;
pub(crate) use record::recorded;
pub use record::{Carries, Recorded, Recorder, Way};
pub use request::Request;
#[cfg(unix)]
pub use socket_activation::Inherited;
#[cfg(feature = "tls")]
pub use tls::certificate::Fingerprint;
#[cfg(feature = "tls")]
pub use tls::settings::{Authorities, Identity, TlsOptions};
pub(crate) use transport::{Accept, LARGEST_RECORD, Lost, RECORD, SendDatagram, StreamRead, StreamWrite};
pub use transport::{DatagramTransport, MessageTransport, PeerAddrs, StreamTransport, Transport};
#[cfg(feature = "ws")]
pub use ws::settings::{MessageKind, WsOptions};

/// Opens a connection.
///
/// # Errors
///
/// [`Error::is_unreachable`] if nobody answers or a name does not resolve; [`Error::is_timeout`] after
/// `connect_timeout`.
///
/// Cancel safe: nothing remains open.
pub async fn connect(address: &Address, options: &Options) -> Result<Transport> {
    open(address, options).await
}

/// In a box: it is large, and gone once the connection is there. So its code is compiled in this crate, once.
pub(crate) fn open<'a>(address: &'a Address, options: &'a Options) -> Opening<'a> {
    Box::pin(async { Ok(recorded(open_any(address, options).await?, options.recorder.as_ref())) })
}

/// A connection, or something else, that is being opened.
pub(crate) type Opening<'a, T = Transport> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

async fn open_any(address: &Address, options: &Options) -> Result<Transport> {
    // Handshakes are in boxes, so that a connection without a handshake needs no room for one.
    match address {
        Address::Tcp(at) => tcp::connect(at, options).await.map(Transport::Stream),
        Address::Udp(at) => udp::connect(at, options).await.map(Transport::Datagram),
        #[cfg(feature = "tls")]
        Address::Tls(at) => Box::pin(tls::connect(at, options)).await.map(Transport::Stream),
        #[cfg(feature = "ws")]
        Address::Ws(at) => Box::pin(ws::connect(at, options)).await.map(Transport::Message),
        #[cfg(all(feature = "tls", feature = "ws"))]
        Address::Wss(at) => Box::pin(wss::connect(at, options)).await.map(Transport::Message),
        #[cfg(all(unix, feature = "ws"))]
        Address::WsUnix(at) => Box::pin(ws_unix::connect(at, options)).await.map(Transport::Message),
        #[cfg(unix)]
        Address::Unix(name) => unix::connect(name, options).await.map(Transport::Stream),
        #[cfg(unix)]
        Address::UnixDgram(name) => unix_dgram::connect(name, options).await.map(Transport::Datagram),
        #[cfg(unix)]
        Address::UnixSeqpacket(name) => unix_seqpacket::connect(name, options).await.map(Transport::Datagram),
        #[cfg(not(unix))]
        Address::WsUnix(_) | Address::Unix(_) | Address::UnixDgram(_) | Address::UnixSeqpacket(_) => {
            Err(not_here(address))
        }
        #[cfg(not(feature = "tls"))]
        Address::Tls(_) => Err(left_out(address, "tls")),
        #[cfg(not(feature = "ws"))]
        Address::Ws(_) => Err(left_out(address, "ws")),
        #[cfg(all(unix, not(feature = "ws")))]
        Address::WsUnix(_) => Err(left_out(address, "ws")),
        #[cfg(not(all(feature = "tls", feature = "ws")))]
        Address::Wss(_) => Err(left_out(address, "tls` and `ws")),
        #[cfg(all(unix, feature = "serial"))]
        Address::Serial(line) => serial::connect(line, options).await.map(Transport::Stream),
        #[cfg(not(all(unix, feature = "serial")))]
        Address::Serial(_) => Err(no_serial_lines(address)),
        #[cfg(not(feature = "exec"))]
        Address::Exec(_) => Err(left_out(address, "exec")),
        #[cfg(feature = "exec")]
        Address::Exec(command) => Box::pin(exec::connect(command, options)).await.map(Transport::Stream),
        Address::Mem(name) => mem::connect(name).map(Transport::Stream),
        Address::Stdio => stdio::open().map(Transport::Stream),
    }
}

/// Binds an address, so that peers can connect to it. In a box, as [`open`].
pub(crate) fn listen<'a>(address: &'a Address, options: &'a Options) -> Opening<'a, Box<dyn Accept>> {
    Box::pin(listen_on(address, options))
}

async fn listen_on(address: &Address, options: &Options) -> Result<Box<dyn Accept>> {
    Ok(match address {
        Address::Tcp(at) => Box::new(tcp::listen(at, options).await?),
        Address::Udp(at) => Box::new(udp::listen(at, options).await?),
        #[cfg(feature = "tls")]
        Address::Tls(at) => Box::new(tls::listen(at, options).await?),
        #[cfg(feature = "ws")]
        Address::Ws(at) => Box::new(ws::listen(at, options).await?),
        #[cfg(all(feature = "tls", feature = "ws"))]
        Address::Wss(at) => Box::new(wss::listen(at, options).await?),
        #[cfg(all(unix, feature = "ws"))]
        Address::WsUnix(at) => Box::new(ws_unix::listen(at, options)?),
        #[cfg(unix)]
        Address::Unix(name) => Box::new(unix::listen(name, options)?),
        #[cfg(unix)]
        Address::UnixDgram(name) => Box::new(unix_dgram::listen(name, options)?),
        #[cfg(unix)]
        Address::UnixSeqpacket(name) => Box::new(unix_seqpacket::listen(name, options)?),
        #[cfg(not(unix))]
        Address::WsUnix(_) | Address::Unix(_) | Address::UnixDgram(_) | Address::UnixSeqpacket(_) => {
            return Err(not_here(address));
        }
        #[cfg(not(feature = "tls"))]
        Address::Tls(_) => return Err(left_out(address, "tls")),
        #[cfg(not(feature = "ws"))]
        Address::Ws(_) => return Err(left_out(address, "ws")),
        #[cfg(all(unix, not(feature = "ws")))]
        Address::WsUnix(_) => return Err(left_out(address, "ws")),
        #[cfg(not(all(feature = "tls", feature = "ws")))]
        Address::Wss(_) => return Err(left_out(address, "tls` and `ws")),
        #[cfg(all(unix, feature = "serial"))]
        Address::Serial(line) => Box::new(serial::listen(line, options)?),
        #[cfg(not(all(unix, feature = "serial")))]
        Address::Serial(_) => return Err(no_serial_lines(address)),
        Address::Mem(name) => Box::new(mem::listen(name)?),
        Address::Exec(_) => {
            return Err(Error::usage("a client cannot connect to a command").with_advice(Advice::ConnectToCommand));
        }
        Address::Stdio => {
            return Err(Error::usage("a client cannot connect to standard input").with_advice(Advice::ConnectToStdio));
        }
    })
}

/// Makes the error for a transport that this system does not have.
#[cfg(not(unix))]
fn not_here(address: &Address) -> Error {
    let error = Error::usage(format!("{address}: this program has no Unix sockets on this system"));
    error.with_hint("they work on Linux, macOS and other Unix systems; between programs of this machine, tcp://127.0.0.1:PORT does too")
}

/// Makes the error for a transport that was left out of this build.
#[cfg(not(all(feature = "tls", feature = "ws", feature = "exec")))]
fn left_out(address: &Address, feature: &str) -> Error {
    let error = Error::usage(format!("{address}: this build of the library does not have that transport"));
    error.with_hint(format!("it is in the feature `{feature}` of the crate unstick"))
}

/// Makes the error for a build without serial lines.
#[cfg(not(all(unix, feature = "serial")))]
fn no_serial_lines(address: &Address) -> Error {
    let error = Error::usage(format!("{address}: this build has no serial lines"));
    error.with_hint(match cfg!(unix) {
        true => "the feature `serial` of the crate unstick has them",
        false => "they work on Linux, macOS and other Unix systems",
    })
}
