//! Facts about a certificate: the names it is for, its validity, and its fingerprint.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::error::Error;

/// The SHA-256 of a certificate. It identifies the certificate, no matter who signed that.
///
/// Written as 64 hexadecimal digits. The parser also accepts capitals, colons between the bytes and a leading
/// `sha256:`, as OpenSSL and browsers show them.
///
/// ```
/// use unstick::endpoint::Fingerprint;
///
/// let written = "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";
/// let fingerprint: Fingerprint = written.parse()?;
/// assert!(fingerprint.to_string().starts_with("e3b0c44298fc1c14"));
/// # Ok::<(), unstick::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// Makes a fingerprint from the bytes of a SHA-256.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let what = format!("`{text}` is not the SHA-256 fingerprint of a certificate");
            Error::usage(what)
                .with_hint("it has 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` prints it")
        };
        let lower = text.to_ascii_lowercase();
        let digits = lower.strip_prefix("sha256:").unwrap_or(&lower).replace(':', "");
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut fingerprint = [0; 32];
        for (at, byte) in fingerprint.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(fingerprint))
    }
}

/// What a certificate contains, as far as it can be read.
pub(super) struct Facts {
    /// The names and addresses it is for (subjectAltName).
    names: Vec<String>,
    subject: String,
    /// Since the epoch.
    not_before: Duration,
    not_after: Duration,
    /// The end of its validity, as a date.
    expires: String,
}

impl Facts {
    /// Reads a certificate; `None` if the bytes are not one.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let content = certificate.tbs_certificate();
        let alternative = content.get_extension::<SubjectAltName>().ok().flatten();
        let names = alternative.iter().flat_map(|(_, names)| names.0.iter()).filter_map(name_text).collect();
        let validity = content.validity();
        Some(Self {
            names,
            subject: content.subject().to_string(),
            not_before: validity.not_before.to_unix_duration(),
            not_after: validity.not_after.to_unix_duration(),
            expires: validity.not_after.to_date_time().to_string(),
        })
    }

    /// Whether the certificate is valid at a time since the epoch.
    pub(super) fn holds_at(&self, now: Duration) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    pub(super) fn expired_at(&self, now: Duration) -> bool {
        now > self.not_after
    }

    /// The end of its validity: `2027-01-31T12:00:00Z`.
    pub(super) fn expires(&self) -> &str {
        &self.expires
    }

    /// Separated by commas; `None` if it is for no name and no address.
    pub(super) fn names(&self) -> Option<String> {
        (!self.names.is_empty()).then(|| self.names.join(", "))
    }

    /// Whom it belongs to: `CN=example.test`. No client takes that for a name of a server any more (RFC 9525, 2).
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }
}

fn name_text(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(octets) => match octets.as_bytes().len() {
            4 => <[u8; 4]>::try_from(octets.as_bytes()).ok().map(|ip| std::net::IpAddr::from(ip).to_string()),
            16 => <[u8; 16]>::try_from(octets.as_bytes()).ok().map(|ip| std::net::IpAddr::from(ip).to_string()),
            _ => None,
        },
        _ => None,
    }
}
