//! Words what rustls reports: its own texts show values in Rust's debug format.

use crate::advice::Advice;
use std::fmt::Debug;

use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage, OtherError};

/// Describes what went wrong, as the rest of a sentence.
pub(super) fn of(error: &TlsError) -> String {
    match error {
        TlsError::InappropriateMessage { got_type, .. } => {
            format!("a message of the wrong kind came: {}", words(got_type))
        }
        TlsError::InappropriateHandshakeMessage { got_type, .. } => {
            format!("a handshake message of the wrong kind came: {}", words(got_type))
        }
        TlsError::InvalidEncryptedClientHello(problem) => format!("Encrypted Client Hello failed: {}", words(problem)),
        TlsError::InvalidMessage(problem) => of_message(problem),
        TlsError::NoCertificatesPresented => "the peer showed no certificate".to_owned(),
        TlsError::UnsupportedNameType => "a server name is of a kind that is not supported".to_owned(),
        TlsError::DecryptError => "a record from the peer cannot be decrypted".to_owned(),
        TlsError::EncryptError => "a record cannot be encrypted: the connection has carried too much".to_owned(),
        TlsError::PeerIncompatible(problem) => {
            format!("the peer lacks something that this end needs: {}", words(problem))
        }
        TlsError::PeerMisbehaved(problem) => format!("the peer broke TLS: {}", words(problem)),
        TlsError::AlertReceived(alert) => of_alert(*alert).0,
        TlsError::InvalidCertificate(problem) => format!("the certificate is refused: {}", of_certificate(problem)),
        TlsError::InvalidCertRevocationList(problem) => format!("a revocation list is invalid: {}", words(problem)),
        TlsError::General(text) => text.clone(),
        TlsError::FailedToGetCurrentTime => "this machine's clock cannot be read".to_owned(),
        TlsError::FailedToGetRandomBytes => "this machine has no random bytes".to_owned(),
        TlsError::HandshakeNotComplete => "the handshake is not finished".to_owned(),
        TlsError::PeerSentOversizedRecord => "the peer sent a record that is longer than TLS allows".to_owned(),
        TlsError::NoApplicationProtocol => "the peer speaks none of the offered protocols (ALPN)".to_owned(),
        TlsError::BadMaxFragmentSize => "the size of fragments is out of range".to_owned(),
        TlsError::InconsistentKeys(_) => "the key is not that of the certificate".to_owned(),
        TlsError::Other(OtherError(inner)) => spelled(&inner.to_string()),
        other => words(other),
    }
}

/// Describes what is wrong with a message.
pub(super) fn of_message(problem: &InvalidMessage) -> String {
    format!("a message of the peer is malformed: {}", words(problem))
}

/// Describes what is wrong with a certificate: "it ...".
pub(super) fn of_certificate(problem: &CertificateError) -> String {
    use CertificateError as Problem;
    let text = match problem {
        Problem::BadEncoding => "it cannot be read",
        Problem::Expired | Problem::ExpiredContext { .. } => "it has expired",
        Problem::NotValidYet | Problem::NotValidYetContext { .. } => "it is not valid yet",
        Problem::Revoked => "it has been revoked",
        Problem::UnhandledCriticalExtension => "it has a critical extension that is not understood here",
        Problem::UnknownIssuer => "no trusted authority has signed it",
        Problem::UnknownRevocationStatus => "it cannot be told whether it has been revoked",
        Problem::ExpiredRevocationList | Problem::ExpiredRevocationListContext { .. } => {
            "the list of revoked certificates has expired"
        }
        Problem::BadSignature => "its signature is wrong",
        Problem::UnsupportedSignatureAlgorithmContext { .. }
        | Problem::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed with an algorithm that is not supported here"
        }
        Problem::NotValidForName | Problem::NotValidForNameContext { .. } => "it is for another name",
        Problem::InvalidPurpose | Problem::InvalidPurposeContext { .. } => {
            "it is for another purpose (extended key usage)"
        }
        Problem::InvalidOcspResponse => "the proof that it has not been revoked is invalid (OCSP)",
        Problem::ApplicationVerificationFailure => "it was refused",
        Problem::Other(OtherError(inner)) => return of_other(&inner.to_string()),
        other => return words(other),
    };
    text.to_owned()
}

/// Words the verifier's own name for a problem that has no variant in rustls.
fn of_other(text: &str) -> String {
    match text {
        "CaUsedAsEndEntity" => "it belongs to an authority, and cannot stand for a server".to_owned(),
        "EndEntityUsedAsCa" => "a certificate that may not sign others has signed it".to_owned(),
        "PathLenConstraintViolated"
        | "MaximumPathDepthExceeded"
        | "MaximumPathBuildCallsExceeded"
        | "MaximumSignatureChecksExceeded" => "its chain of authorities is too long".to_owned(),
        "NameConstraintViolation" | "MaximumNameConstraintComparisonsExceeded" => {
            "its authority may not sign for this name".to_owned()
        }
        "UnsupportedCertVersion" => "it is of an old version (X.509 version 3 is needed)".to_owned(),
        text => spelled(text),
    }
}

/// What helps against an alert.
pub(super) enum Help {
    Hint(&'static str),
    Advice(Advice),
}

/// Describes what a peer's alert means, and what helps.
pub(super) fn of_alert(alert: AlertDescription) -> (String, Option<Help>) {
    use AlertDescription as Alert;
    let certificate = Some(Help::Advice(Advice::ShowCertificate));
    let (what, hint) = match alert {
        Alert::HandshakeFailure => ("no cipher in common, or it wants a client certificate", certificate),
        Alert::CertificateRequired => ("it wants a client certificate", certificate),
        Alert::UnknownCA => ("it does not trust the signer of the certificate", None),
        Alert::BadCertificate => ("it does not accept the certificate", None),
        Alert::CertificateUnknown => ("it does not accept the certificate", None),
        Alert::CertificateExpired => ("it considers the certificate expired", None),
        Alert::ProtocolVersion => ("it speaks another version of TLS", Some(Help::Hint("TLS 1.2 and 1.3 are spoken"))),
        Alert::NoApplicationProtocol => ("it supports none of the protocols that this side offers (ALPN)", None),
        Alert::UnrecognisedName => ("it does not serve that name", Some(Help::Advice(Advice::SetServerName))),
        Alert::DecryptError => ("a signature in it is wrong", None),
        Alert::Unknown(code) => return (format!("it sent an unknown alert ({code})"), None),
        other => return (format!("it sent the alert \"{}\"", words(&other)), None),
    };
    (what.to_owned(), hint)
}

/// Makes words of a value's name: `TooManyKeyUpdateRequests` becomes "too many key update requests". What the value
/// holds is left out.
pub(super) fn words(value: &impl Debug) -> String {
    spelled(&format!("{value:?}"))
}

/// Makes words of a name; text that is not a name stays as it is.
fn spelled(text: &str) -> String {
    let name: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let is_name = name.len() == text.len() || text[name.len()..].starts_with(['(', '{']) || text.contains(" {");
    if name.is_empty() || !is_name {
        return text.to_owned();
    }
    let letters: Vec<char> = name.chars().collect();
    let mut spelled = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let begins = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase() || letters.get(at + 1).is_some_and(char::is_ascii_lowercase)
            });
        if begins || *letter == '_' {
            spelled.push(' ');
        }
        if *letter != '_' {
            spelled.push(letter.to_ascii_lowercase());
        }
    }
    let spelled = spelled.split(' ').map(|word| match word {
        "kx" => "key exchange",
        "psk" => "pre-shared key",
        "ech" => "encrypted client hello",
        "ems" => "extended master secret",
        "cert" => "certificate",
        "ccs" => "change cipher spec",
        "sct" => "certificate timestamp",
        "ec" => "elliptic curve",
        "dh" => "Diffie-Hellman",
        "tls" => "TLS",
        word => word,
    });
    spelled.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{ContentType, ExtendedKeyPurpose, HandshakeType, InconsistentKeys, PeerIncompatible, PeerMisbehaved};

    use super::*;

    /// Whether text is in Rust's debug format: `Name(...)`, `Name { ... }`, several words joined to one name.
    fn is_debug(text: &str) -> bool {
        let runs_together = |word: &str| {
            let letters: Vec<char> = word.chars().filter(char::is_ascii_alphabetic).collect();
            letters.windows(2).any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase())
        };
        text.contains(['{', '}', '[', ']']) || text.contains("Some(") || text.split([' ', '(', ')']).any(runs_together)
    }

    fn reads_well(text: &str) {
        assert!(!is_debug(text) && text.contains(' '), "{text}");
    }

    #[derive(Debug)]
    struct Odd(&'static str);

    impl std::fmt::Display for Odd {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Odd {}

    fn other(text: &'static str) -> OtherError {
        OtherError(Arc::new(Odd(text)))
    }

    fn certificate_errors() -> Vec<CertificateError> {
        use CertificateError as Problem;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(5));
        let name = ServerName::try_from("a.test").unwrap();
        vec![
            Problem::BadEncoding,
            Problem::Expired,
            Problem::ExpiredContext { time, not_after: time },
            Problem::NotValidYet,
            Problem::NotValidYetContext { time, not_before: time },
            Problem::Revoked,
            Problem::UnhandledCriticalExtension,
            Problem::UnknownIssuer,
            Problem::UnknownRevocationStatus,
            Problem::ExpiredRevocationList,
            Problem::ExpiredRevocationListContext { time, next_update: time },
            Problem::BadSignature,
            #[allow(deprecated)]
            Problem::UnsupportedSignatureAlgorithm,
            Problem::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: vec![1],
                supported_algorithms: vec![],
            },
            Problem::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: vec![1],
                public_key_algorithm_id: vec![2],
            },
            Problem::NotValidForName,
            Problem::NotValidForNameContext { expected: name, presented: vec!["DnsName(\"b\")".to_owned()] },
            Problem::InvalidPurpose,
            Problem::InvalidPurposeContext { required: ExtendedKeyPurpose::ServerAuth, presented: vec![] },
            Problem::InvalidOcspResponse,
            Problem::ApplicationVerificationFailure,
            Problem::Other(other("CaUsedAsEndEntity")),
            Problem::Other(other("EndEntityUsedAsCa")),
            Problem::Other(other("MalformedExtensions")),
            Problem::Other(other("UnsupportedCrlVersion(3)")),
            Problem::Other(other("RequiredEkuNotFoundContext { required: x }")),
        ]
    }

    #[test]
    fn every_problem_of_a_certificate_is_a_sentence() {
        for problem in certificate_errors() {
            reads_well(&of_certificate(&problem));
            reads_well(&of(&TlsError::InvalidCertificate(problem)));
        }
    }

    #[test]
    fn every_error_of_tls_is_a_sentence() {
        let plain = [
            TlsError::InappropriateMessage { expect_types: vec![], got_type: ContentType::ApplicationData },
            TlsError::InappropriateHandshakeMessage { expect_types: vec![], got_type: HandshakeType::ClientHello },
            TlsError::InappropriateHandshakeMessage { expect_types: vec![], got_type: HandshakeType::Unknown(77) },
            TlsError::NoCertificatesPresented,
            TlsError::UnsupportedNameType,
            TlsError::DecryptError,
            TlsError::EncryptError,
            TlsError::General("a text of its own".to_owned()),
            TlsError::FailedToGetCurrentTime,
            TlsError::FailedToGetRandomBytes,
            TlsError::HandshakeNotComplete,
            TlsError::PeerSentOversizedRecord,
            TlsError::NoApplicationProtocol,
            TlsError::BadMaxFragmentSize,
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch),
            TlsError::Other(other("UnsupportedThing(3)")),
            TlsError::InvalidMessage(InvalidMessage::InvalidContentType),
            TlsError::InvalidMessage(InvalidMessage::MissingData("ClientHello")),
            TlsError::InvalidMessage(InvalidMessage::UnexpectedMessage("ServerHello")),
            TlsError::InvalidMessage(InvalidMessage::TrailingData("KeyUpdate")),
            TlsError::InvalidMessage(InvalidMessage::DuplicateExtension(7)),
            TlsError::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge),
            TlsError::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon),
            TlsError::PeerIncompatible(PeerIncompatible::ServerRejectedEncryptedClientHello(None)),
            TlsError::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig),
            TlsError::PeerMisbehaved(PeerMisbehaved::TooManyEmptyFragments),
            TlsError::PeerMisbehaved(PeerMisbehaved::TooManyKeyUpdateRequests),
            TlsError::PeerMisbehaved(PeerMisbehaved::IllegalTlsInnerPlaintext),
            TlsError::PeerMisbehaved(PeerMisbehaved::ResumptionOfferedWithVariedEms),
        ];
        plain.iter().for_each(|error| reads_well(&of(error)));
    }

    /// Checks all possible alerts: an alert is one byte.
    #[test]
    fn every_alert_is_a_sentence() {
        for code in 0..=u8::MAX {
            reads_well(&of_alert(AlertDescription::from(code)).0);
        }
    }

    #[test]
    fn names_are_spelled_and_texts_stay() {
        assert_eq!(spelled("NoKxGroupsInCommon"), "no key exchange groups in common");
        assert_eq!(spelled("MissingData(\"ClientHello\")"), "missing data");
        assert_eq!(spelled("InvalidCCS"), "invalid change cipher spec");
        assert_eq!(spelled("the file is gone (2)"), "the file is gone (2)");
        assert!(
            is_debug("Other(OtherError(CaUsedAsEndEntity))") && is_debug("NoCipherSuites") && !is_debug("TLS is up")
        );
    }
}
