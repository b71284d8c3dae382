//! TLS: which certificates it trusts, what counts as a cut, and clients that are slow, silent or many.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use unstick::endpoint::{Authorities, Fingerprint, Identity};
use unstick::{Advice, Error, Link, Listener, Options, connect, limits, listen};

use crate::suite::{framing, options};

async fn open(address: &str, options: &Options) -> unstick::Result<Link> {
    connect(&address.parse().unwrap(), Some(&framing("line")), options).await
}

async fn listening(options: &Options) -> Listener {
    listen(&"tls://127.0.0.1:0".parse().unwrap(), Some(&framing("line")), options).await.unwrap()
}

fn port(listener: &Listener) -> u16 {
    listener.addresses()[0].rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A certificate, and a key that may not belong to it.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A certificate for localhost, and its key.
fn made() -> (CertificateDer<'static>, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.der().clone(), made.signing_key.serialize_der())
}

/// A server with other code than ours, which shows this certificate and proves that it has this key.
async fn server(certificate: &CertificateDer<'static>, key: &[u8], versions: Versions) -> (TcpListener, TlsAcceptor) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(key.to_vec().into());
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = CertifiedKey::new(vec![certificate.clone()], key);
    let config = rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let config = config.with_no_client_auth().with_cert_resolver(Arc::new(Shows(Arc::new(shown))));
    (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)))
}

type Versions = &'static [&'static rustls::SupportedProtocolVersion];

/// The result of connecting to a server that shows this certificate.
async fn tried(
    certificate: &CertificateDer<'static>,
    key: &[u8],
    versions: Versions,
    options: Options,
) -> unstick::Result<Link> {
    let (listener, acceptor) = server(certificate, key, versions).await;
    let address = format!("tls://localhost:{}", listener.local_addr().unwrap().port());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await
    };
    let (link, served) = tokio::join!(open(&address, &options), serve);
    assert!(link.is_err() || served.is_ok());
    link
}

fn pinned(certificate: &CertificateDer<'static>) -> Options {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02X}:")).collect();
    let mut options = Options::default();
    options.tls.pins = vec![hex.trim_end_matches(':').parse().unwrap()];
    options
}

// ---- trust ----

const BOTH: [Versions; 2] = [&[&rustls::version::TLS12], &[&rustls::version::TLS13]];

#[tokio::test]
async fn a_pinned_certificate_is_enough_whoever_has_signed_it() {
    let (certificate, key) = made();
    for versions in BOTH {
        tried(&certificate, &key, versions, pinned(&certificate)).await.unwrap();
    }
}

#[tokio::test]
async fn a_copied_certificate_without_its_key_is_refused() {
    let (certificate, _) = made();
    let (_, another) = made();
    let mut insecure = Options::default();
    insecure.tls.insecure = true;
    for versions in BOTH {
        for options in [pinned(&certificate), insecure.clone()] {
            let error = tried(&certificate, &another, versions, options).await.unwrap_err();
            assert!(error.is_unreachable() && error.is_handshake());
            assert!(error.to_string().contains("does not hold the key of the certificate"), "{error}");
        }
    }
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_refused() {
    let ((pinned_one, _), (shown, key)) = (made(), made());
    let error = tried(&shown, &key, BOTH[1], pinned(&pinned_one)).await.unwrap_err();
    assert!(error.to_string().contains("has another certificate than the pinned one"), "{error}");
}

#[tokio::test]
async fn without_a_word_the_system_says_who_is_trusted() {
    let (certificate, key) = made();
    let error = tried(&certificate, &key, BOTH[1], Options::default()).await.unwrap_err();
    assert!(error.is_unreachable());
    assert!(error.to_string().starts_with("no trusted authority has signed the certificate of tls://"), "{error}");
    let Some(Advice::TrustAuthorityOrPin { fingerprint }) = error.advice() else { panic!("{:?}", error.advice()) };
    assert_eq!(fingerprint.len(), 64, "{fingerprint}");
}

#[test]
fn a_fingerprint_is_read_in_the_forms_that_people_have() {
    let plain = "0123456789abcdef".repeat(4);
    let colons: Vec<String> =
        plain.as_bytes().chunks(2).map(|two| String::from_utf8_lossy(two).to_uppercase()).collect();
    for text in [plain.clone(), colons.join(":"), format!("sha256:{plain}"), format!("SHA256:{}", colons.join(":"))] {
        assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), plain, "{text}");
    }
    for text in ["", "sha256:", &plain[1..], &format!("{plain}0"), &plain.replace('0', "g"), "ä"] {
        assert!(text.parse::<Fingerprint>().unwrap_err().is_usage(), "{text}");
    }
}

#[tokio::test]
async fn a_listener_with_authorities_wants_a_certificate_of_theirs() {
    let client = Identity::self_signed(&[]).unwrap();
    let mut server = options();
    server.tls.authorities = Some(Authorities::from_der([client.certificate()]).unwrap());
    let mut listener = listening(&server).await;
    let address = listener.addresses()[0].clone();
    let mut known = options();
    known.tls.identity = Some(client);
    let mut unknown = options();
    unknown.tls.identity = None;
    let mut stranger = options();
    stranger.tls.identity = Some(Identity::self_signed(&[]).unwrap());

    let link = open(&address, &known).await.unwrap();
    link.send(b"it is me").await.unwrap();
    assert_eq!(listener.accept().await.unwrap().recv().await.unwrap().unwrap(), &b"it is me"[..]);
    for (refused, why) in [(unknown, "showed no certificate"), (stranger, "the certificate of")] {
        // In TLS 1.3 a client learns of it only when it reads.
        let mut link = open(&address, &refused).await.unwrap();
        let error = listener.accept().await.unwrap_err();
        assert!(error.is_handshake() && error.to_string().contains(why), "{error}");
        let error = link.recv().await.unwrap_err();
        assert!(error.to_string().contains("the peer ended TLS: "), "{error}");
    }
}

#[tokio::test]
async fn the_protocol_is_agreed_on_or_there_is_none() {
    let mut server = options();
    server.tls.protocols = vec!["h2".to_owned(), "mqtt".to_owned()];
    let mut listener = listening(&server).await;
    let address = listener.addresses()[0].clone();
    let told = Arc::new(std::sync::Mutex::new(String::new()));
    let mut client = options();
    client.tls.protocols = vec!["mqtt".to_owned()];
    let teller = Arc::clone(&told);
    client.trace = Some(Arc::new(move |what: &str| teller.lock().unwrap().push_str(what)));
    let _link = open(&address, &client).await.unwrap();
    listener.accept().await.unwrap();
    let said = told.lock().unwrap().clone();
    for part in ["TLS 1.3", "TLS13_", "protocol mqtt", "a certificate for localhost", "expires ", "sha256:"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    client.tls.protocols = vec!["smtp".to_owned()];
    let error = open(&address, &client).await.unwrap_err();
    assert!(error.to_string().contains("it supports none of the protocols that this side offers (ALPN)"), "{error}");
    assert!(
        listener
            .accept()
            .await
            .unwrap_err()
            .to_string()
            .contains("supports none of the protocols that this side offers (ALPN)")
    );
}

// ---- ends ----

/// A client with other code than ours.
async fn stranger(listener: &Listener) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(options().tls.identity.unwrap().certificate().to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port(listener))).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await.unwrap()
}

#[tokio::test]
async fn an_end_that_is_said_is_an_end_and_a_cut_is_an_error() {
    let mut listener = listening(&options()).await;
    let mut polite = stranger(&listener).await;
    polite.write_all(b"first\nsecond\n").await.unwrap();
    polite.shutdown().await.unwrap();
    let mut far = listener.accept().await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"first"[..]);
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"second"[..]);
    assert_eq!(far.recv().await.unwrap(), None);

    let mut cut = stranger(&listener).await;
    cut.write_all(b"first\n").await.unwrap();
    cut.get_mut().0.shutdown().await.unwrap();
    let mut far = listener.accept().await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"first"[..]);
    let error = far.recv().await.unwrap_err();
    assert!(error.to_string().contains("the connection was cut"), "{error}");
    assert!(!error.is_framing() && !error.is_unreachable());

    let mut inside = stranger(&listener).await;
    inside.write_all(b"first\nsec").await.unwrap();
    inside.get_mut().0.shutdown().await.unwrap();
    let mut far = listener.accept().await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"first"[..]);
    let error = far.recv().await.unwrap_err();
    assert!(error.is_framing(), "as on TCP: {error}");
    assert_eq!(error.to_string(), "the stream ended inside a frame, after 3 bytes of it");
    assert!(error.hint().is_some_and(|hint| hint.starts_with("the connection was cut")), "{:?}", error.hint());
}

#[tokio::test]
async fn this_end_says_its_end_and_hears_the_answer() {
    let mut listener = listening(&options()).await;
    let mut near = stranger(&listener).await;
    let (sender, mut receiver) = listener.accept().await.unwrap().split();
    sender.send(b"the last").await.unwrap();
    sender.finish().await.unwrap();
    let mut heard = Vec::new();
    // rustls treats an end without close_notify as an error here.
    near.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"the last\n");
    near.write_all(b"I heard\n").await.unwrap();
    assert_eq!(receiver.recv().await.unwrap().unwrap(), &b"I heard"[..]);
}

// ---- slow, silent and hostile clients ----

#[tokio::test]
async fn a_client_without_tls_is_told_apart_and_ends_nothing() {
    let mut listener = listening(&options()).await;
    for (said, seen) in
        [(&b"GET / HTTP/1.1\r\n\r\n"[..], "\"GET / HTTP/1.1\\r\\n\""), (b"hello\x1b\n", "\"hello\\x1b\\n\"")]
    {
        let mut client = TcpStream::connect(("127.0.0.1", port(&listener))).await.unwrap();
        client.write_all(said).await.unwrap();
        let error = listener.accept().await.unwrap_err();
        assert!(error.is_handshake());
        assert!(error.to_string().ends_with(&format!("does not speak TLS: it began with {seen}")), "{error}");
        assert_eq!(error.hint(), Some("a client without TLS needs a listener on tcp://"));
    }
    open(&listener.addresses()[0], &options()).await.unwrap();
    listener.accept().await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tls://{}", listener.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        stream
    };
    let client = options();
    let (link, _stream) = tokio::join!(open(&address, &client), serve);
    let error = link.unwrap_err();
    assert!(error.to_string().contains("does not speak TLS: it answered \"SSH-2.0-OpenSSH_"), "{error}");
    assert_eq!(error.hint(), Some("tcp:// speaks without"));
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tls://{}", listener.local_addr().unwrap());
    let mut client = options();
    client.connect_timeout = Duration::from_millis(200);
    let error = open(&address, &client).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.hint(), Some("does the port speak TLS? tcp:// speaks without"));
}

#[tokio::test]
async fn a_client_that_is_silent_holds_up_nobody() {
    let mut listener = listening(&options()).await;
    let _silent = TcpStream::connect(("127.0.0.1", port(&listener))).await.unwrap();
    for _ in 0..3 {
        let link = open(&listener.addresses()[0], &options()).await.unwrap();
        link.send(b"past it").await.unwrap();
        assert_eq!(listener.accept().await.unwrap().recv().await.unwrap().unwrap(), &b"past it"[..]);
    }
}

/// A client that sends nothing is dropped after `HANDSHAKE_TIMEOUT`, and so is one that sends a byte from time to time.
#[tokio::test(start_paused = true)]
async fn a_handshake_has_a_deadline() {
    let mut listener = listening(&options()).await;
    let mut slow = TcpStream::connect(("127.0.0.1", port(&listener))).await.unwrap();
    slow.write_all(&[22, 3, 1]).await.unwrap();
    let begun = tokio::time::Instant::now();
    let error: Error = listener.accept().await.unwrap_err();
    assert!(error.is_handshake() && error.to_string().contains("has not finished its handshake after 10s"), "{error}");
    assert!(begun.elapsed() >= limits::HANDSHAKE_TIMEOUT);
    assert_eq!(slow.read(&mut [0; 8]).await.unwrap_or(0), 0, "its connection is closed");
}
