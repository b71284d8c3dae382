//! `unix:PATH` and `unix:@NAME`: Unix stream sockets.
//!
//! Not here: WebSocket over them ([`super::ws_unix`]).

use std::future::Future;
use std::io;
use std::pin::Pin;

use socket2::Type;
use tokio::io::Interest;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

use super::accepting::{AcceptBackoff, One};
#[cfg(feature = "ws")]
use super::handshakes::Arrivals;
use super::options::Options;
use super::ready::ReadySocket;
use super::transport::{Accept, Lost, PeerAddrs, StreamRead, StreamTransport, StreamWrite, Transport};
use super::unix_file::{self, SocketFile};
use super::unix_name;
use super::write_error::{self, Half};
use crate::address::{Address, SocketName};
use crate::error::{Error, Result};
use crate::limits;

impl StreamRead for Half<OwnedReadHalf> {
    fn lost(&mut self) -> Option<Lost<'_>> {
        Some(Box::pin(async {
            let socket: &UnixStream = self.get().as_ref();
            // This fails only when the runtime ends, and then nobody waits any more.
            let _ = socket.ready(Interest::ERROR).await;
            write_error::of_socket(socket.take_error())
        }))
    }

    fn ready(&self) -> Option<ReadySocket<'_>> {
        Some(ReadySocket::unix(self.get().as_ref(), self.failed()))
    }
}

impl StreamWrite for Half<OwnedWriteHalf> {
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.failed().during(|| self.get().try_write(self.at_once(bytes)))
    }

    fn ready(&self) -> Option<ReadySocket<'_>> {
        Some(ReadySocket::unix(self.get().as_ref(), self.failed()))
    }

    fn socket(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        Some(self.get().as_ref().as_fd())
    }
}

/// Connects, trying again until `retry` is over.
pub(super) async fn connect(name: &SocketName, options: &Options) -> Result<StreamTransport> {
    let (stream, names) = dial(&Address::Unix(name.clone()), name, options).await?;
    Ok(transport(stream, names))
}

/// Connects, before any protocol. Errors name the address with `at`.
pub(super) async fn dial(at: &Address, name: &SocketName, options: &Options) -> Result<(UnixStream, PeerAddrs)> {
    let socket = super::resolve::retrying(options, || unix_file::connect(Type::STREAM, at, name, options)).await?;
    let stream = UnixStream::from_std(socket.into()).map_err(|e| Error::io("the socket", e))?;
    let names = names(&stream);
    Ok((stream, names))
}

/// The names of both ends.
fn names(stream: &UnixStream) -> PeerAddrs {
    PeerAddrs::new(unix_name::remote(stream), unix_name::local(stream))
}

pub(super) fn transport(stream: UnixStream, names: PeerAddrs) -> StreamTransport {
    let (reader, writer) = stream.into_split();
    let (reader, writer) = write_error::halves(reader, writer);
    let writer = writer.writing_at_most(limits::UNIX_WRITE);
    StreamTransport { reader: Box::new(reader), writer: Box::new(writer), names }
}

/// Binds the name.
pub(super) fn listen(name: &SocketName, options: &Options) -> Result<Listener> {
    bind(&Address::Unix(name.clone()), name, options)
}

/// Binds the name. `at` is the listener's address as it is shown.
pub(super) fn bind(at: &Address, name: &SocketName, options: &Options) -> Result<Listener> {
    let (socket, file) = unix_file::bind(Type::STREAM, at, name, options)?;
    let (addresses, patience) = ([at.to_string()], AcceptBackoff::default());
    let failed = |error| Error::io("the socket", error);
    if options.inherited.is_some() && super::socket_activation::is_connection(&socket) {
        let one = One::new(UnixStream::from_std(socket.into()).map_err(failed)?);
        return Ok(Listener { socket: None, one, addresses, patience, _file: file });
    }
    unix_file::listen(&socket)?;
    let socket = Some(UnixListener::from_std(socket.into()).map_err(failed)?);
    Ok(Listener { socket, one: One::default(), addresses, patience, _file: file })
}

pub(super) struct Listener {
    /// `None` if one connection was handed over instead.
    socket: Option<UnixListener>,
    one: One<UnixStream>,
    addresses: [String; 1],
    patience: AcceptBackoff,
    _file: Option<SocketFile>,
}

impl Listener {
    /// Accepts the next connection, before any protocol. Cancel safe.
    async fn accept_stream(&mut self) -> Result<(UnixStream, PeerAddrs)> {
        if let Some(stream) = self.one.take() {
            let names = names(&stream);
            return Ok((stream, names));
        }
        loop {
            self.patience.wait().await;
            let Some(socket) = &self.socket else { return std::future::pending().await };
            match socket.accept().await {
                Ok((stream, _)) => {
                    let names = names(&stream);
                    return Ok((stream, names));
                }
                Err(error) => {
                    if let Some(error) = self.patience.failed(error) {
                        return Err(error);
                    }
                }
            }
        }
    }
}

#[cfg(feature = "ws")]
impl Arrivals for Listener {
    type Stream = UnixStream;

    fn next(&mut self) -> impl Future<Output = Result<(UnixStream, PeerAddrs)>> + Send {
        self.accept_stream()
    }

    async fn spoken(stream: &UnixStream) {
        // If this fails, the handshake reports why.
        let _ = stream.readable().await;
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn serves_one(&self) -> bool {
        self.one.is_all()
    }
}

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>> {
        Box::pin(async {
            let (stream, names) = self.accept_stream().await?;
            Ok(Transport::Stream(transport(stream, names)))
        })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn serves_one(&self) -> bool {
        self.one.is_all()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    /// `UNIX_WRITE`: one write takes at most this many bytes, with every function that writes.
    #[tokio::test]
    async fn a_write_is_one_buffer_of_the_system() {
        let (near, _far) = UnixStream::pair().unwrap();
        let names = names(&near);
        let mut writer = transport(near, names).writer;
        let bytes = vec![0; 2 * limits::UNIX_WRITE];
        assert_eq!(writer.write(&bytes).await.unwrap(), limits::UNIX_WRITE);
        poll_fn(|cx| writer.ready().expect("it is a socket").poll_writable(cx)).await.unwrap();
        assert_eq!(writer.try_write(&bytes).unwrap(), limits::UNIX_WRITE);
        assert_eq!(writer.ready().expect("it is a socket").most_at_once(), limits::UNIX_WRITE);
    }
}
