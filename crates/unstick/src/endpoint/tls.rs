//! `tls://HOST:PORT`: TLS 1.2 or 1.3 over TCP, as client and as server.
//!
//! Not here: reading and writing after the handshake ([`stream`]), and why a handshake failed ([`refusal`]).

pub(super) mod certificate;
#[cfg(all(unix, feature = "transfer"))]
pub(crate) mod inside;
mod refusal;
pub(super) mod settings;
mod stream;
mod verify;
mod wording;

use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::handshakes::Handshakes;
use super::options::Options;
use super::tcp;
use super::transport::{PeerAddrs, StreamTransport, Transport};
use crate::address::HostPort;
use crate::advice::Advice;
use crate::error::{Error, Result};

use certificate::Fingerprint;
use settings::{TlsOptions, provider};
pub(super) use stream::Tls;
#[cfg(feature = "ws")]
pub(super) use stream::explained;
#[cfg(feature = "ws")]
pub(super) use stream::transport;

/// Connects, and does the handshake.
pub(super) async fn connect(at: &HostPort, options: &Options) -> Result<StreamTransport> {
    let (stream, names) = Box::pin(dial(at, "tls", options)).await?;
    Ok(stream::transport(stream, names))
}

/// Makes the connection of [`connect`], for protocols inside TLS. Errors name the address with `scheme`.
pub(super) async fn dial(at: &HostPort, scheme: &str, options: &Options) -> Result<(Tls, PeerAddrs)> {
    let whom = format!("{scheme}://{at}");
    let name = options.tls.server_name.as_deref().unwrap_or(at.host());
    let server_name = ServerName::try_from(name.to_owned()).map_err(|_| {
        Error::usage(format!("`{name}` is not a name that a certificate can be for")).with_advice(Advice::SetServerName)
    })?;
    let verifier = Arc::new(verify::Verifier::new(&options.tls)?);
    let connector = TlsConnector::from(Arc::new(client_config(&options.tls, &verifier)?));
    let (stream, names) = tcp::dial(at, scheme, options).await?;
    let begun = Instant::now();
    let mut handshake = connector.connect(server_name, stream::Wire::new(stream)).into_fallible();
    let outcome = tokio::time::timeout(options.connect_timeout, &mut handshake).await;
    let stream = match outcome {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, wire))) => {
            let (opening, certificate) = (wire.opening(), verifier.seen());
            return Err(refusal::of_server(&refusal::Failure { whom: &whom, name, opening, certificate }, &error));
        }
        Err(_) => {
            let error = Error::timed_out(format!("the TLS handshake with {whom}"), options.connect_timeout);
            return Err(error.with_hint(format!("does the port speak TLS? {}", refusal::without(&whom))));
        }
    };
    let stream = Tls::from(stream);
    options.tell(|| format!("{} ({:.1?})", agreed(&stream), begun.elapsed()));
    Ok((stream, names))
}

fn client_config(options: &TlsOptions, verifier: &Arc<verify::Verifier>) -> Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions(options));
    let config = config.map_err(|error| Error::other(format!("TLS: {}", wording::of(&error))))?;
    let verifier = Arc::clone(verifier);
    let config = config.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match &options.identity {
        Some(identity) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity.key)))),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = protocols(options);
    if options.key_log {
        config.key_log = key_log();
    }
    Ok(config)
}

fn versions(options: &TlsOptions) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
    if options.newest_only { &NEWEST } else { rustls::DEFAULT_VERSIONS }
}

/// The file that `SSLKEYLOGFILE` names, opened once.
fn key_log() -> Arc<dyn rustls::KeyLog> {
    static FILE: std::sync::LazyLock<Arc<rustls::KeyLogFile>> =
        std::sync::LazyLock::new(|| Arc::new(rustls::KeyLogFile::new()));
    Arc::clone(&*FILE) as Arc<dyn rustls::KeyLog>
}

fn protocols(options: &TlsOptions) -> Vec<Vec<u8>> {
    options.protocols.iter().map(|name| name.clone().into_bytes()).collect()
}

/// Listens as TCP does. All clients do their handshakes at the same time.
pub(super) async fn listen(at: &HostPort, options: &Options) -> Result<Handshakes> {
    let (inner, acceptor) = bind(at, "tls", options).await?;
    let options = Arc::new(options.clone());
    Ok(Handshakes::new(inner, move |stream, names| {
        let (acceptor, options) = (acceptor.clone(), Arc::clone(&options));
        async move {
            let stream = accept(stream, &names, &acceptor, "tcp://", &options).await?;
            Ok(Transport::Stream(stream::transport(stream, names)))
        }
    }))
}

/// Makes what a listener inside TLS needs: the bound port, and the settings for the handshakes.
pub(super) async fn bind(at: &HostPort, scheme: &str, options: &Options) -> Result<(tcp::Listener, TlsAcceptor)> {
    let config = server_config(&options.tls, scheme)?;
    Ok((tcp::bind_all(at, scheme, options).await?, TlsAcceptor::from(Arc::new(config))))
}

fn server_config(options: &TlsOptions, scheme: &str) -> Result<ServerConfig> {
    let Some(identity) = &options.identity else {
        let error = Error::usage(format!("listening on {scheme}:// needs a certificate"));
        return Err(error.with_advice(Advice::GiveListenerCertificate));
    };
    let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions(options));
    let config = config.map_err(|error| Error::other(format!("TLS: {}", wording::of(&error))))?;
    let config = match &options.authorities {
        Some(authorities) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&authorities.roots), provider());
            let verifier = verifier.build().map_err(|error| Error::other(format!("the authorities: {error}")))?;
            config.with_client_cert_verifier(verifier)
        }
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity.key))));
    config.alpn_protocols = protocols(options);
    if options.key_log {
        config.key_log = key_log();
    }
    Ok(config)
}

/// Does the handshake with a client that has connected. `plain`: the scheme of the same protocol without TLS.
pub(super) async fn accept(
    stream: TcpStream,
    names: &PeerAddrs,
    acceptor: &TlsAcceptor,
    plain: &str,
    options: &Options,
) -> Result<Tls> {
    match acceptor.accept(stream::Wire::new(stream)).into_fallible().await {
        Ok(stream) => {
            let stream = Tls::from(stream);
            options.tell(|| format!("{}: {}", names.remote, agreed(&stream)));
            Ok(stream)
        }
        Err((error, wire)) => {
            let failure =
                refusal::Failure { whom: &names.remote, name: "", opening: wire.opening(), certificate: None };
            Err(refusal::of_client(&failure, plain, &error))
        }
    }
}

/// Describes what was agreed on: version, cipher, protocol, and the peer's certificate.
fn agreed(stream: &Tls) -> String {
    let (_, session) = stream.get_ref();
    let version = session.protocol_version().map(|version| format!("{version:?}").replace("TLSv1_", "TLS 1."));
    // The name in the IANA registry, as `TLS13_AES_128_GCM_SHA256`.
    let cipher = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    let protocol = session.alpn_protocol().map(|name| format!("protocol {}", name.escape_ascii()));
    let certificate = session.peer_certificates().and_then(|chain| chain.first()).map(described);
    [version, cipher, protocol, certificate].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn described(certificate: &CertificateDer<'_>) -> String {
    let fingerprint = Fingerprint::of(certificate);
    match certificate::Facts::of(certificate) {
        Some(facts) => {
            let (names, expires) = (facts.names().unwrap_or_else(|| facts.subject().to_owned()), facts.expires());
            format!("a certificate for {names}, expires {expires}, sha256:{fingerprint}")
        }
        None => format!("a certificate that cannot be read, sha256:{fingerprint}"),
    }
}
