//! Verifies a server's certificate: by the system's authorities, by given ones, by a pin, or not at all.
//!
//! In every case the server has to prove that it holds its certificate's key. A pin, or no verification, skips only the
//! checks of who has signed the certificate and which names it is for.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error as TlsError, SignatureScheme};

use super::certificate::{Facts, Fingerprint};
use super::settings::{Authorities, TlsOptions, provider};
use crate::advice::Advice;
use crate::error::{Error, Result};

/// The verifier of one connection, which remembers the certificate that it saw.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    seen: Mutex<Option<CertificateDer<'static>>>,
}

#[derive(Debug)]
enum Trust {
    System(Arc<dyn ServerCertVerifier>),
    Given(Arc<dyn ServerCertVerifier>, Authorities),
    Pins(Vec<Fingerprint>),
    Anybody,
}

/// The error for a certificate that is none of the pinned ones.
#[derive(Debug)]
pub(super) struct NotPinned;

impl std::fmt::Display for NotPinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not the pinned certificate")
    }
}

impl std::error::Error for NotPinned {}

impl Verifier {
    pub(super) fn new(options: &TlsOptions) -> Result<Self> {
        let trust = match &options.authorities {
            _ if !options.pins.is_empty() => Trust::Pins(options.pins.clone()),
            _ if options.insecure => Trust::Anybody,
            Some(authorities) => {
                let roots = Arc::clone(&authorities.roots);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
                let verifier = verifier.map_err(|error| Error::other(format!("the authorities: {error}")))?;
                Trust::Given(verifier, authorities.clone())
            }
            None => Trust::System(system()?),
        };
        Ok(Self { trust, seen: Mutex::new(None) })
    }

    /// The certificate that the server showed, if the handshake got that far.
    pub(super) fn seen(&self) -> Option<CertificateDer<'static>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The verifier with the system's authorities. They are read only once: there are many.
fn system() -> Result<Arc<dyn ServerCertVerifier>> {
    static SYSTEM: OnceLock<Arc<dyn ServerCertVerifier>> = OnceLock::new();
    if let Some(verifier) = SYSTEM.get() {
        return Ok(Arc::clone(verifier));
    }
    let verifier = rustls_platform_verifier::Verifier::new(provider()).map_err(|error| {
        Error::unreachable(format!("this system's certificate authorities cannot be read: {error}"), None)
            .with_hint("Debian has them in ca-certificates")
            .with_advice(Advice::TrustWithoutSystem)
    })?;
    Ok(Arc::clone(SYSTEM.get_or_init(|| Arc::new(verifier))))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate.clone().into_owned());
        match &self.trust {
            Trust::System(verifier) => verifier.verify_server_cert(certificate, between, name, ocsp, now),
            Trust::Given(verifier, authorities) => {
                let verified = verifier.verify_server_cert(certificate, between, name, ocsp, now);
                verified.or_else(|error| given_itself(certificate, authorities, name, now, error))
            }
            Trust::Pins(pins) if pins.contains(&Fingerprint::of(certificate)) => Ok(ServerCertVerified::assertion()),
            Trust::Pins(_) => Err(CertificateError::Other(rustls::OtherError(Arc::new(NotPinned))).into()),
            Trust::Anybody => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts a server that shows one of the given authorities itself, such as a certificate made by `openssl req -x509`:
/// its chain has one link. It still has to be for this name, and be valid today.
fn given_itself(
    certificate: &CertificateDer<'_>,
    authorities: &Authorities,
    name: &ServerName<'_>,
    now: UnixTime,
    error: TlsError,
) -> Result<ServerCertVerified, TlsError> {
    let chain =
        matches!(error, TlsError::InvalidCertificate(CertificateError::Other(_) | CertificateError::UnknownIssuer));
    if !chain || !authorities.certificates.iter().any(|authority| authority == certificate) {
        return Err(error);
    }
    match Facts::of(certificate) {
        Some(facts) if facts.holds_at(Duration::from_secs(now.as_secs())) => {}
        Some(facts) if facts.expired_at(Duration::from_secs(now.as_secs())) => {
            return Err(CertificateError::Expired.into());
        }
        Some(_) => return Err(CertificateError::NotValidYet.into()),
        None => return Err(error),
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    Ok(ServerCertVerified::assertion())
}
