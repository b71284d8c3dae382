//! `udp://HOST:PORT`: datagrams, with one session for each peer.
//!
//! Not here: streams and reliability. A datagram may be lost, duplicated or reordered.

mod client;
mod kernel_drops;
mod own;
mod packets;
mod port;
mod serve;
mod session;
mod sessions;
mod socket;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::notices::Notices;
use super::options::Options;
use super::port_owner;
use super::resolve::{cannot_bind, may_be_missing, resolve};
use super::transport::{Accept, DatagramTransport, Transport};
use crate::address::HostPort;
use crate::error::{Error, Result};

pub(super) use client::connect;

/// Binds every address of the host; without a host, the loopback addresses of both families on one port.
pub(super) async fn listen(at: &HostPort, options: &Options) -> Result<Listener> {
    let sockets = bind_all(at, options).await?;
    let (room, incoming) = port::Shared::new(options);
    let failed = |error| Error::io("the socket", error);
    let ports = sockets.into_iter().map(|socket| port::Port::new(socket, &room));
    let ports = ports.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    let addresses = ports.iter().map(|port| format!("udp://{}", port.address)).collect();
    for port in &ports {
        tokio::spawn(serve::serve(Arc::clone(port)));
    }
    Ok(Listener { room, ports, incoming, addresses })
}

async fn bind_all(at: &HostPort, options: &Options) -> Result<Vec<UdpSocket>> {
    let mut sockets: Vec<UdpSocket> = Vec::new();
    #[cfg(unix)]
    for socket in options.inherited_ports(at, socket2::Type::DGRAM)? {
        sockets.push(socket::inherited(socket).map_err(|e| Error::io("the socket", e))?);
    }
    if !sockets.is_empty() {
        return Ok(sockets);
    }
    let mut port = at.port;
    for mut address in resolve(at, options).await? {
        address.set_port(port);
        match socket::bind(address, options) {
            Ok(socket) => {
                // For port 0 the system picks a number once; the other family then gets the same number.
                port = socket.local_addr().map_or(port, |bound| bound.port());
                sockets.push(socket);
            }
            Err(error) if may_be_missing(at, &error, !sockets.is_empty()) => {
                options.tell(|| format!("{address}: {}", crate::error::plain(&error)));
            }
            Err(error) => {
                let what = format!("cannot listen on udp://{address}");
                return Err(cannot_bind(what, address, error, port_owner::of_udp_port));
            }
        }
    }
    if sockets.is_empty() {
        return Err(Error::unreachable(format!("udp://{at} has no address of this machine"), None));
    }
    Ok(sockets)
}

pub(super) struct Listener {
    room: Arc<port::Shared>,
    ports: Vec<Arc<port::Port>>,
    incoming: mpsc::Receiver<Result<DatagramTransport>>,
    addresses: Vec<String>,
}

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>> {
        Box::pin(async {
            // `room` holds a sender for as long as this listener exists.
            self.incoming.recv().await.ok_or_else(Error::closed)?.map(Transport::Datagram)
        })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn refused(&self) -> u64 {
        self.room.refused()
    }

    fn notices(&self) -> Option<Arc<Notices>> {
        Some(Arc::clone(&self.room.notices))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.incoming.close();
        for port in &self.ports {
            port.close();
        }
    }
}
