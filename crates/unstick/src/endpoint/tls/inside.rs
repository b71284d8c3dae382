//! TLS inside a stream that was opened in another way: a Unix socket, a WebSocket, a pipe.
//!
//! Not here: TLS on a TCP socket ([`super`]), which reports more when a handshake fails.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::super::options::Options;
use super::super::transport::{PeerAddrs, StreamTransport};
use super::{client_config, server_config, verify, wording};
use crate::error::{Error, Result};

/// The server name to ask for when the certificate is known by its fingerprint.
const NAME: &str = "localhost";

/// Does the handshake as the client.
pub(crate) async fn connect<S>(stream: S, names: PeerAddrs, options: &Options) -> Result<StreamTransport>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let verifier = Arc::new(verify::Verifier::new(&options.tls)?);
    let connector = TlsConnector::from(Arc::new(client_config(&options.tls, &verifier)?));
    let name = ServerName::try_from(NAME).map_err(|_| Error::other("no name for the server"))?;
    let stream = in_time(connector.connect(name, stream), &names, options).await?;
    let (reader, writer) = tokio::io::split(stream);
    Ok(StreamTransport::new(reader, writer, names))
}

/// Does the handshake as the server.
pub(crate) async fn accept<S>(stream: S, names: PeerAddrs, options: &Options) -> Result<StreamTransport>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&options.tls, "tls")?));
    let stream = in_time(acceptor.accept(stream), &names, options).await?;
    let (reader, writer) = tokio::io::split(stream);
    Ok(StreamTransport::new(reader, writer, names))
}

async fn in_time<T>(
    handshake: impl Future<Output = std::io::Result<T>>,
    names: &PeerAddrs,
    options: &Options,
) -> Result<T> {
    let what = || format!("the TLS handshake with {}", names.remote);
    match tokio::time::timeout(options.connect_timeout, handshake).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(why) => Err(Error::handshake(format!("{}: {}", what(), wording::of(why)))),
            None => Err(Error::io("the TLS handshake", error)),
        },
        Err(_) => Err(Error::timed_out(what(), options.connect_timeout)),
    }
}
