//! Reaching an address through a proxy: SOCKS5 (RFC 1928 and 1929) or HTTP's CONNECT (RFC 9110, section 9.3.6).
//!
//! Not here: what is said to it. [`socks`] and [`connect`] are machines without a socket.

mod connect;
mod refusal;
pub(super) mod settings;
mod socks;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::address::HostPort;
use crate::advice::Advice;
use crate::error::{Error, Result};
use crate::limits;
use refusal::Refusal;
use settings::{Kind, Proxy};
use socks::Step;

/// Has the proxy connect to `target`. Not a byte of what comes behind its answer is taken.
pub(super) async fn pass(stream: &mut TcpStream, proxy: &Proxy, target: &HostPort) -> Result<()> {
    let lost = |error: std::io::Error| {
        let why = match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "it ended".to_owned(),
            _ => crate::error::plain(&error),
        };
        Error::handshake(format!("the proxy {proxy} did not connect to {target}: {why}"))
    };
    let refused = |refusal: Refusal| {
        let error = Error::handshake(format!("the proxy {proxy} {}", refusal.what));
        if refusal.wants_login {
            return error.with_advice(Advice::ProxyLogin { scheme: proxy.scheme() });
        }
        if refusal.hint.is_empty() { error } else { error.with_hint(refusal.hint) }
    };
    match proxy.kind {
        Kind::Socks5 => {
            let (mut machine, mut say) = socks::Socks::new(target, proxy.login.as_ref()).map_err(refused)?;
            loop {
                stream.write_all(&say).await.map_err(lost)?;
                say = loop {
                    let mut answer = vec![0; machine.wants()];
                    stream.read_exact(&mut answer).await.map_err(lost)?;
                    match machine.hears(&answer).map_err(refused)? {
                        Step::Hear => {}
                        Step::Say(next) => break next,
                        Step::Done => return Ok(()),
                    }
                };
            }
        }
        Kind::Http => {
            let request = connect::request(target, proxy.login.as_ref());
            stream.write_all(request.as_bytes()).await.map_err(lost)?;
            let head = head(stream).await.map_err(lost)?;
            connect::accepted(&head).map_err(refused)
        }
    }
}

/// Reads a head up to its empty line, and nothing behind it: that is the target's.
async fn head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut seen = vec![0; 1024];
    loop {
        let length = stream.peek(&mut seen).await?;
        let before = head.len();
        head.extend_from_slice(&seen[..length]);
        let end = connect::end(&head);
        head.truncate(end.unwrap_or(head.len()));
        stream.read_exact(&mut seen[..head.len() - before]).await?;
        if end.is_some() || length == 0 || !connect::begins_like_http(&head) {
            return Ok(head);
        }
        if head.len() > limits::MAX_OPENING {
            return Err(std::io::Error::other("its answer does not end"));
        }
    }
}
