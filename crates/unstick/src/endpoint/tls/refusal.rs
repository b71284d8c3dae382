//! Why a TLS handshake failed, in a sentence and a hint.

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage, OtherError, PeerIncompatible};

use super::certificate::{Facts, Fingerprint};
use super::verify::NotPinned;
use super::wording::{self, Help, of_alert};
use crate::advice::Advice;
use crate::error::Error;

/// What was known when a handshake failed.
pub(super) struct Failure<'a> {
    /// The peer: the address that this end connected to, or the client's address.
    pub(super) whom: &'a str,
    /// The name that the certificate should have been for.
    pub(super) name: &'a str,
    /// The first bytes that the peer sent.
    pub(super) opening: &'a [u8],
    /// The certificate that the peer showed.
    pub(super) certificate: Option<CertificateDer<'static>>,
}

/// Makes the error for a server that this end connected to and rejects.
pub(super) fn of_server(failure: &Failure<'_>, error: &std::io::Error) -> Error {
    let damage = [AlertDescription::BadRecordMac, AlertDescription::DecryptError, AlertDescription::DecodeError];
    let cut = match tls(error) {
        None | Some(TlsError::DecryptError) => true,
        Some(TlsError::AlertReceived(alert)) => damage.contains(alert),
        Some(_) => false,
    };
    server(failure, error).of_a_cut(cut)
}

fn server(failure: &Failure<'_>, error: &std::io::Error) -> Error {
    let whom = failure.whom;
    let (what, hint) = match tls(error) {
        Some(TlsError::InvalidMessage(problem)) => plain_server(failure, problem),
        Some(TlsError::InvalidCertificate(problem)) => return certificate(failure, problem),
        Some(TlsError::AlertReceived(alert)) => {
            let (what, help) = of_alert(*alert);
            let error = Error::handshake(format!("{whom} refused the TLS handshake: {what}"));
            return match help {
                None => error,
                Some(Help::Hint(hint)) => error.with_hint(hint),
                Some(Help::Advice(advice)) => error.with_advice(advice),
            };
        }
        Some(TlsError::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon)) => {
            (format!("{whom} accepts none of this side's kinds of client certificate"), None)
        }
        Some(TlsError::PeerIncompatible(problem)) => {
            let hint = "TLS 1.2 and 1.3 are spoken, with the ciphers that are still held to be safe";
            (
                format!("{whom} has no TLS version or cipher in common with this side: {}", wording::words(problem)),
                Some(hint.to_owned()),
            )
        }
        Some(problem) => (format!("the TLS handshake with {whom} failed: {}", wording::of(problem)), None),
        None => (format!("the TLS handshake with {whom} failed: {}", ended(error)), ended_hint(whom, error)),
    };
    hinted(Error::handshake(what), hint)
}

/// Makes the error for a client that is rejected. `plain`: the scheme of the same protocol without TLS.
pub(super) fn of_client(failure: &Failure<'_>, plain: &str, error: &std::io::Error) -> Error {
    let whom = failure.whom;
    let (what, hint) = match tls(error) {
        Some(TlsError::InvalidMessage(_)) => {
            let what = format!("{whom} does not speak TLS: it began with {}", quoted(failure.opening));
            (what, Some(format!("a client without TLS needs a listener on {plain}")))
        }
        Some(TlsError::AlertReceived(alert)) => {
            let (what, _) = of_alert(*alert);
            let untrusted = matches!(
                alert,
                AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown
            );
            let error = Error::handshake(format!("{whom} refused the TLS handshake: {what}"));
            return if untrusted { error.with_advice(Advice::ClientPinsCertificate) } else { error };
        }
        Some(TlsError::NoCertificatesPresented) => {
            (format!("{whom} showed no certificate, which this listener asks clients for"), None)
        }
        Some(TlsError::InvalidCertificate(problem)) => refused(whom, problem),
        Some(TlsError::NoApplicationProtocol) => {
            (format!("{whom} supports none of the protocols that this side offers (ALPN)"), None)
        }
        Some(TlsError::PeerIncompatible(problem)) => {
            (format!("{whom} has no TLS version or cipher in common with this side: {}", wording::words(problem)), None)
        }
        Some(problem) => (format!("the TLS handshake with {whom} failed: {}", wording::of(problem)), None),
        None => (format!("the TLS handshake with {whom} failed: {}", ended(error)), None),
    };
    hinted(Error::handshake(what), hint)
}

fn refused(whom: &str, problem: &CertificateError) -> (String, Option<String>) {
    let why = match problem {
        CertificateError::UnknownIssuer => "no authority that this end trusts has signed it".to_owned(),
        problem => wording::of_certificate(problem),
    };
    let is_authority =
        matches!(problem, CertificateError::Other(OtherError(it)) if it.to_string() == "CaUsedAsEndEntity");
    let hint = is_authority.then(|| {
        "`openssl req -x509` makes such; -addext basicConstraints=critical,CA:FALSE makes it another".to_owned()
    });
    (format!("the certificate of {whom} is refused: {why}"), hint)
}

fn tls(error: &std::io::Error) -> Option<&TlsError> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn hinted(error: Error, hint: Option<String>) -> Error {
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Describes the end of the connection in the middle of a handshake.
fn ended(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the peer ended it".to_owned(),
        _ => crate::error::plain(error),
    }
}

/// The scheme that speaks the same protocol without TLS.
pub(super) fn without(whom: &str) -> &'static str {
    if whom.starts_with("wss:") { "ws:// speaks without" } else { "tcp:// speaks without" }
}

fn ended_hint(whom: &str, error: &std::io::Error) -> Option<String> {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let gone = matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe);
    gone.then(|| format!("does the port speak TLS? {}", without(whom)))
}

fn plain_server(failure: &Failure<'_>, problem: &InvalidMessage) -> (String, Option<String>) {
    let whom = failure.whom;
    // A TLS record begins with its type, 20 to 24, and a version 3.x. So this peer speaks TLS, and the handshake is
    // broken.
    if let [20..=24, 3, ..] = failure.opening {
        return (format!("{whom} broke the TLS handshake: {}", wording::of_message(problem)), None);
    }
    let what = format!("{whom} does not speak TLS: it answered {}", quoted(failure.opening));
    (what, Some(without(whom).to_owned()))
}

/// Quotes a peer's first bytes.
fn quoted(opening: &[u8]) -> String {
    format!("\"{}\"", opening.escape_ascii())
}

/// Describes a certificate that is not for the name that this end asked for.
fn wrong_name(
    whom: &str,
    name: &str,
    facts: Option<&Facts>,
    pin: Option<Advice>,
) -> (String, &'static str, Option<Advice>) {
    match facts.map(|facts| (facts.names(), facts.subject())) {
        Some((Some(names), _)) => {
            let what = format!("the certificate of {whom} is for {names}, not for {name}");
            (what, "", Some(Advice::SetServerName))
        }
        Some((None, subject)) => {
            let what = format!("the certificate of {whom} is for no name: it has no subjectAltName");
            let hint = "the server's owner has to issue one with a subjectAltName; the common name no longer counts";
            (if subject.is_empty() { what } else { format!("{what}, only the subject {subject}") }, hint, pin)
        }
        None => (format!("the certificate of {whom} is not for {name}"), "", Some(Advice::SetServerName)),
    }
}

/// Why a server's certificate is not trusted.
fn certificate(failure: &Failure<'_>, problem: &CertificateError) -> Error {
    let Failure { whom, name, .. } = failure;
    let facts = failure.certificate.as_ref().and_then(Facts::of);
    let fingerprint = failure.certificate.as_ref().map(|it| Fingerprint::of(it).to_string()).unwrap_or_default();
    // A man in the middle shows a certificate as well, so the one that was just seen proves nothing.
    let pin = || Some(Advice::PinCertificate { fingerprint: fingerprint.clone() });
    let (what, hint, advice) = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let when = facts.map(|facts| format!(" on {}", facts.expires())).unwrap_or_default();
            let hint = "the server's owner has to renew it; a pin takes no account of the date";
            (format!("the certificate of {whom} expired{when}"), hint, pin())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (format!("the certificate of {whom} is not valid yet"), "is this machine's clock right?", pin())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            wrong_name(whom, name, facts.as_ref(), pin())
        }
        CertificateError::UnknownIssuer => {
            let what = format!("no trusted authority has signed the certificate of {whom}");
            (what, "", Some(Advice::TrustAuthorityOrPin { fingerprint: fingerprint.clone() }))
        }
        CertificateError::Other(OtherError(inner)) if inner.is::<NotPinned>() => {
            let what = format!("{whom} has another certificate than the pinned one: {fingerprint}");
            (
                what,
                "if the certificate was renewed, ask its owner for the new fingerprint; if not, somebody may be intercepting the connection",
                None,
            )
        }
        CertificateError::BadSignature => {
            let what = format!("{whom} does not hold the key of the certificate that it shows");
            (what, "somebody may have copied the certificate", None)
        }
        CertificateError::Revoked => {
            let hint = "its authority withdraws it when its key may be stolen: ask the server's owner";
            (format!("the certificate of {whom} has been revoked"), hint, None)
        }
        problem => {
            let why = wording::of_certificate(problem);
            (format!("the certificate of {whom} cannot be trusted: {why}"), "", pin())
        }
    };
    let error = hinted(Error::handshake(what), (!hint.is_empty()).then(|| hint.to_owned()));
    match advice {
        Some(advice) => error.with_advice(advice),
        None => error,
    }
}
