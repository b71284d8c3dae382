//! Peers that use what TLS allows to attack a listener: tiny records, and many key updates.
//!
//! rustls itself limits renegotiation, warnings and empty records.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};
use unstick::{Listener, limits, listen};

use crate::suite::{client, framing, options};

/// A client with other code than ours, after the handshake.
async fn raw(listener: &Listener) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    let certificate = options().tls.identity.unwrap().certificate().to_vec();
    roots.add(CertificateDer::from(certificate)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let at = listener.addresses()[0].split("//").nth(1).unwrap();
    let stream = TcpStream::connect(at).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

async fn listening() -> Listener {
    listen(&"tls://127.0.0.1:0".parse().unwrap(), Some(&framing("line")), &options()).await.unwrap()
}

/// `RECORDS_AT_ONCE`: a record for each byte, many more than one turn reads. Nothing is lost, and another peer is served.
#[tokio::test]
async fn a_record_for_each_byte() {
    let mut listener = listening().await;
    let mut hostile = raw(&listener).await;
    let link = listener.accept().await;
    let (_sender, mut receiver) = link.unwrap().split();
    let many = limits::RECORDS_AT_ONCE * 100;
    let flood = tokio::spawn(async move {
        for _ in 0..many {
            hostile.write_all(b"x").await.unwrap();
            hostile.flush().await.unwrap();
        }
        hostile.write_all(b"\n").await.unwrap();
        hostile.flush().await.unwrap();
        hostile
    });
    let got = tokio::spawn(async move { receiver.recv().await.unwrap().unwrap().len() });
    let good = client(&listener, "line").await;
    let served = listener.accept().await;
    good.send(b"good").await.unwrap();
    assert_eq!(served.unwrap().recv().await.unwrap().unwrap(), &b"good"[..]);
    assert_eq!(got.await.unwrap(), many);
    drop(flood.await.unwrap());
}

/// New keys cost this end more than the peer, and it has to answer each request: the peer is disconnected, and nobody else.
#[tokio::test]
async fn new_keys_again_and_again() {
    let mut listener = listening().await;
    let mut hostile = raw(&listener).await;
    let link = listener.accept().await;
    let mut link = link.unwrap();
    let flood = tokio::spawn(async move {
        // Until the listener disconnects it.
        while hostile.get_mut().1.refresh_traffic_keys().is_ok() && hostile.flush().await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    let error = link.recv().await.unwrap_err();
    assert!(error.to_string().ends_with("TLS: the peer broke TLS: too many key update requests"), "{error}");
    drop(link);
    flood.abort();
    let good = client(&listener, "line").await;
    let served = listener.accept().await;
    good.send(b"good").await.unwrap();
    assert_eq!(served.unwrap().recv().await.unwrap().unwrap(), &b"good"[..]);
}
