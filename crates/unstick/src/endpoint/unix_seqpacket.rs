//! `unix-seqpacket:PATH` and `unix-seqpacket:@NAME`: connections on this machine that carry messages, and end.

use std::future::Future;
use std::io;
use std::pin::Pin;

use socket2::{SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::accepting::{AcceptBackoff, One};
use super::options::Options;
use super::transport::{Accept, DatagramTransport, Transport};
use super::unix_file::{self, SocketFile};
use super::unix_packets;
use crate::address::{Address, SocketName};
use crate::error::{Error, Result};

/// Connects, trying again until `retry` is over.
pub(super) async fn connect(name: &SocketName, options: &Options) -> Result<DatagramTransport> {
    let at = Address::UnixSeqpacket(name.clone());
    let socket = super::resolve::retrying(options, || unix_file::connect(Type::SEQPACKET, &at, name, options)).await?;
    transport(socket).map_err(|e| Error::io("the socket", e))
}

fn transport(socket: Socket) -> io::Result<DatagramTransport> {
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::PassCred, &true)?;
    unix_packets::transport(socket, cfg!(target_os = "linux"))
}

/// Binds the name.
pub(super) fn listen(name: &SocketName, options: &Options) -> Result<Listener> {
    let at = Address::UnixSeqpacket(name.clone());
    let (socket, file) = unix_file::bind(Type::SEQPACKET, &at, name, options)?;
    let (addresses, patience) = ([at.to_string()], AcceptBackoff::default());
    if options.inherited.is_some() && super::socket_activation::is_connection(&socket) {
        return Ok(Listener { socket: None, one: One::new(socket), addresses, patience, _file: file });
    }
    unix_file::listen(&socket)?;
    let socket = Some(unix_packets::readied(socket).map_err(|e| Error::io("the socket", e))?);
    Ok(Listener { socket, one: One::default(), addresses, patience, _file: file })
}

pub(super) struct Listener {
    /// `None` if one connection was handed over instead.
    socket: Option<UnixDatagram>,
    one: One<Socket>,
    addresses: [String; 1],
    patience: AcceptBackoff,
    _file: Option<SocketFile>,
}

impl Listener {
    async fn next(&mut self) -> io::Result<Socket> {
        if let Some(connection) = self.one.take() {
            return Ok(connection);
        }
        let Some(socket) = &self.socket else { return std::future::pending().await };
        loop {
            socket.readable().await?;
            match socket.try_io(Interest::READABLE, || accept(socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }
}

fn accept(socket: &UnixDatagram) -> io::Result<Socket> {
    // `accept` marks it close-on-exec from the start: a child process started meanwhile would hold the connection open.
    let (accepted, _) = SockRef::from(socket).accept()?;
    accepted.set_nonblocking(true)?;
    Ok(accepted)
}

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>> {
        Box::pin(async {
            loop {
                self.patience.wait().await;
                match self.next().await.and_then(transport) {
                    Ok(end) => return Ok(Transport::Datagram(end)),
                    Err(error) => {
                        if let Some(error) = self.patience.failed(error) {
                            return Err(error);
                        }
                    }
                }
            }
        })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn serves_one(&self) -> bool {
        self.one.is_all()
    }
}
