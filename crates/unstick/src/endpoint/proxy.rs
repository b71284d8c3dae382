//! Reaching an address through a proxy: SOCKS5 (RFC 1928 and 1929) or HTTP's CONNECT (RFC 9110, section 9.3.6).
//!
//! Not here: the messages to and from the proxy. [`socks`] and [`connect`] are state machines without a socket.

mod connect;
mod refusal;
pub(super) mod settings;
mod socks;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http_head::{self, begins_like_answer};
use crate::address::HostPort;
use crate::advice::Advice;
use crate::error::{Error, Result};
use refusal::Refusal;
use settings::{Kind, Proxy};
use socks::Step;

/// Makes the proxy connect to `target`. Takes no byte of what follows its answer.
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
            let head = http_head::read_alone(stream, begins_like_answer).await.map_err(lost)?;
            connect::accepted(&head).map_err(refused)
        }
    }
}
