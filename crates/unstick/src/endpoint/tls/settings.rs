//! What can be asked of TLS: whom to trust, and who this end is.

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

/// The cryptography that all of TLS here is made with.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::LazyLock<Arc<CryptoProvider>> =
        std::sync::LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// What can be asked of TLS when an endpoint is opened.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
#[must_use = "options do nothing until something is opened with them"]
pub struct TlsOptions {
    /// Who vouches for the peer. Connecting: instead of the system's authorities. Listening: clients then need a
    /// certificate that one of these has signed.
    pub authorities: Option<Authorities>,
    /// This end's certificate and key. A listener needs one.
    pub identity: Option<Identity>,
    /// Connecting: the server's certificate is one of these, whoever has signed it and whatever it is for.
    pub pins: Vec<Fingerprint>,
    /// Connecting: the name that is asked for and that the certificate must be for, if not the address's host.
    pub server_name: Option<String>,
    /// Protocols to agree on (ALPN), the best first.
    pub protocols: Vec<String>,
    /// Connecting: any certificate will do. Whoever answers may be anybody.
    pub insecure: bool,
    /// TLS 1.3 only: whoever speaks 1.2 is refused.
    pub newest_only: bool,
    /// Write the keys of every connection to the file that the environment variable `SSLKEYLOGFILE` names, as browsers and curl
    /// do. Wireshark can then decrypt what was recorded, and so can everybody who gets that file. Without the variable nothing
    /// is written.
    pub key_log: bool,
}

/// Setters to be chained.
impl TlsOptions {
    /// Who vouches for the peer, instead of the system's authorities.
    pub fn authorities(mut self, authorities: Authorities) -> Self {
        self.authorities = Some(authorities);
        self
    }

    /// This end's certificate and key.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Trusts a server with this certificate, whoever has signed it.
    pub fn pin(mut self, fingerprint: Fingerprint) -> Self {
        self.pins.push(fingerprint);
        self
    }

    /// The name that the certificate must be for, if not the address's host.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }
}

/// Certificates of authorities that are trusted.
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
    /// A usage error where the file cannot be read or has no certificate in it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::new(certificates(path)?).map_err(|error| {
            Error::usage(format!("{}: a certificate in it cannot be used: {}", path.display(), wording::of(&error)))
        })
    }

    /// The same, of certificates in DER form.
    ///
    /// # Errors
    ///
    /// A usage error where one of them is no certificate.
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
    /// Reads a certificate, with those between it and its authority behind it, and its key from files in PEM form. They
    /// may be the same file.
    ///
    /// # Errors
    ///
    /// A usage error where a file cannot be read, has not got what it should, or the key is not that certificate's.
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

    /// Makes a new key and a certificate for it that nobody else has signed, for these names and addresses besides
    /// `localhost` and the loopback addresses. Clients are to be told its [`fingerprint`](Self::fingerprint).
    ///
    /// # Errors
    ///
    /// A usage error where a name cannot stand in a certificate.
    #[cfg(feature = "self-signed")]
    pub fn self_signed(names: &[String]) -> Result<Self> {
        Self::make(names).map(|(identity, ..)| identity)
    }

    /// The same, and both in PEM form, as [`from_files`](Self::from_files) reads them again.
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

    /// The certificate's, as it can be given to whoever connects.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.key.cert.first().expect("an identity is made with a certificate"))
    }

    /// The certificate itself, in DER form: for [`Authorities::from_der`] at the other end.
    pub fn certificate(&self) -> &[u8] {
        self.key.cert.first().expect("an identity is made with a certificate")
    }
}

/// One object in PEM form.
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

/// Why a file has no key that can be used. `lone`: it is the certificate's, no other was named.
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
