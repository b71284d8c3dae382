//! The options of TLS: which certificates to trust, and which certificate to show.

use std::fmt;
#[cfg(feature = "self-signed")]
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
#[cfg(feature = "self-signed")]
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::Fingerprint;
use super::wording;
use crate::advice::Advice;
use crate::error::{Error, Result};

/// The cryptography provider for all TLS connections.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::LazyLock<Arc<CryptoProvider>> =
        std::sync::LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// The options of TLS when an endpoint is opened.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
#[must_use = "options do nothing until something is opened with them"]
pub struct TlsOptions {
    /// The authorities that vouch for the peer. Connecting: they replace the system's authorities. Listening: clients
    /// then need a certificate that one of these has signed.
    pub authorities: Option<Authorities>,
    /// This end's certificate and key. A listener needs them.
    pub identity: Option<Identity>,
    /// Connecting: accept the server's certificate only if it is one of these. Who signed it and which names it is for
    /// does not matter then.
    pub pins: Vec<Fingerprint>,
    /// Connecting: the name to ask for and that the certificate must be for, if it is not the address's host.
    pub server_name: Option<String>,
    /// Protocols to agree on (ALPN), in order of preference.
    pub protocols: Vec<String>,
    /// Connecting: accept any certificate. The server may then be an impostor.
    pub insecure: bool,
    /// Accept only TLS 1.3: a peer that speaks 1.2 is refused.
    pub newest_only: bool,
    /// Write the keys of every connection to the file that the environment variable `SSLKEYLOGFILE` names, as browsers
    /// and curl do. Wireshark can then decrypt recorded traffic, and so can everybody else who gets that file. Without
    /// the variable nothing is written.
    pub key_log: bool,
}

/// Setters to chain.
impl TlsOptions {
    /// Sets the authorities that vouch for the peer, instead of the system's authorities.
    pub fn authorities(mut self, authorities: Authorities) -> Self {
        self.authorities = Some(authorities);
        self
    }

    /// Sets this end's certificate and key.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Trusts a server with this certificate, no matter who signed it.
    pub fn pin(mut self, fingerprint: Fingerprint) -> Self {
        self.pins.push(fingerprint);
        self
    }

    /// Sets the name that the certificate must be for, if it is not the address's host.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }
}

/// Certificates of trusted authorities.
#[derive(Debug, Clone)]
pub struct Authorities {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Reads them from a file in PEM form.
    ///
    /// # Errors
    ///
    /// A usage error if the file cannot be read or contains no certificate.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::new(certificates(path)?).map_err(|error| {
            Error::usage(format!("{}: a certificate in it cannot be used: {}", path.display(), wording::of(&error)))
        })
    }

    /// Reads them from certificates in DER form.
    ///
    /// # Errors
    ///
    /// A usage error if one of them is not a certificate.
    pub fn from_der<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self> {
        let certificates = certificates.into_iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        Self::new(certificates)
            .map_err(|error| Error::usage(format!("a certificate cannot be used: {}", wording::of(&error))))
    }

    fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone())?;
        }
        Ok(Self { roots: Arc::new(roots), certificates })
    }
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Identity {
    pub(super) key: Arc<CertifiedKey>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint())
    }
}

impl Identity {
    /// Reads a certificate, followed by the intermediate certificates up to its authority, and its key from files in
    /// PEM form. Both may be in the same file.
    ///
    /// # Errors
    ///
    /// A usage error if a file cannot be read or lacks what it should contain, or if the key does not belong to the
    /// certificate.
    pub fn from_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let (path, key_path) = (certificate.as_ref(), key.as_ref());
        let certificates = certificates(path)?;
        let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| no_key(key_path, key_path == path, &error))?;
        let key = CertifiedKey::from_der(certificates, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Error::usage(format!(
                "the key in {} is not the one of the certificate in {}",
                key_path.display(),
                path.display()
            )),
            error => Error::usage(format!("{} and {}: {}", path.display(), key_path.display(), wording::of(&error))),
        })?;
        Ok(Self { key: Arc::new(key) })
    }

    /// Makes a new key and a self-signed certificate for it, for these names and addresses besides `localhost` and the
    /// loopback addresses. Clients have to be given its [`fingerprint`](Self::fingerprint).
    ///
    /// # Errors
    ///
    /// A usage error if a name cannot be part of a certificate.
    #[cfg(feature = "self-signed")]
    pub fn self_signed(names: &[String]) -> Result<Self> {
        Self::make(names).map(|(identity, ..)| identity)
    }

    /// Makes the same, and returns both in PEM form, which [`from_files`](Self::from_files) reads.
    #[cfg(all(feature = "self-signed", feature = "transfer"))]
    pub(crate) fn self_signed_pem(names: &[String]) -> Result<(Self, String)> {
        let (identity, key) = Self::make(names)?;
        let text = pem("CERTIFICATE", identity.certificate()) + &pem("PRIVATE KEY", &key);
        Ok((identity, text))
    }

    #[cfg(feature = "self-signed")]
    fn make(names: &[String]) -> Result<(Self, Vec<u8>)> {
        let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        for name in names {
            let unspecified = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
            if !unspecified && !all.contains(name) {
                all.push(name.clone());
            }
        }
        let failed =
            |error: rcgen::Error| Error::usage(format!("no certificate can be made for {}: {error}", names.join(", ")));
        let made = rcgen::generate_simple_self_signed(all).map_err(failed)?;
        let der = made.signing_key.serialize_der();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.clone()));
        let key = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider());
        let key =
            key.map_err(|error| Error::other(format!("a new certificate cannot be used: {}", wording::of(&error))))?;
        Ok((Self { key: Arc::new(key) }, der))
    }

    /// The certificate's fingerprint, to give to clients.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.key.cert.first().expect("an identity is made with a certificate"))
    }

    /// The certificate itself, in DER form: for [`Authorities::from_der`] at the other end.
    pub fn certificate(&self) -> &[u8] {
        self.key.cert.first().expect("an identity is made with a certificate")
    }
}

/// Writes one object in PEM form.
#[cfg(all(feature = "self-signed", feature = "transfer"))]
fn pem(what: &str, der: &[u8]) -> String {
    let digits = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = digits.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let wrong = |error| unreadable(path, "certificate", &error);
    let found = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if found.is_empty() {
        return Err(unreadable(path, "certificate", &rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// Says why a file has no usable key. `lone`: it is the certificate's file, and no other was named.
fn no_key(path: &Path, lone: bool, error: &rustls::pki_types::pem::Error) -> Error {
    use rustls::pki_types::pem::Error as Pem;
    let text = std::fs::read(path).unwrap_or_default();
    if text.windows(9).any(|word| word == b"ENCRYPTED") {
        let error = Error::usage(format!("the key in {} is encrypted", path.display()));
        return error.with_hint("`openssl pkey -in KEY -out PLAIN` asks for its passphrase and writes it without");
    }
    match error {
        Pem::NoItemsFound => {
            let error = Error::usage(format!("{} has no private key in it", path.display()));
            let der = "PEM is read: -----BEGIN ... and base64 below it; `openssl pkey -inform der` makes it from DER";
            if lone { error.with_advice(Advice::NameKeyFile) } else { error.with_hint(der) }
        }
        error => unreadable(path, "private key", error),
    }
}

fn unreadable(path: &Path, what: &str, error: &rustls::pki_types::pem::Error) -> Error {
    use rustls::pki_types::pem::Error as Pem;
    match error {
        Pem::Io(error) => Error::usage(format!("{}: {}", path.display(), crate::error::plain(error))),
        Pem::NoItemsFound => Error::usage(format!("{} has no {what} in it", path.display()))
            .with_hint("PEM is read: -----BEGIN ... and base64 below it; `openssl x509 -inform der` makes it from DER"),
        _ => Error::usage(format!("{} is not a {what} in PEM form", path.display())),
    }
}
