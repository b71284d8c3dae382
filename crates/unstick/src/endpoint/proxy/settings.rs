//! A proxy as users write it: its kind, its address, and the login.

use std::fmt;
use std::str::FromStr;

use crate::address::HostPort;
use crate::error::{Error, Result};

/// A proxy that connections go through: `socks5://[USER:PASSWORD@]HOST:PORT` or `http://[USER:PASSWORD@]HOST:PORT`. The
/// proxy resolves names.
///
/// ```
/// let proxy: unstick::endpoint::Proxy = "socks5://me:secret@proxy.test:1080".parse()?;
/// assert_eq!(proxy.to_string(), "socks5://proxy.test:1080"); // without the user and the password
/// # Ok::<(), unstick::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(super) kind: Kind,
    at: HostPort,
    pub(super) login: Option<Login>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Socks5,
    Http,
}

/// The login: user and password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl Proxy {
    /// The proxy's address.
    pub(in crate::endpoint) fn at(&self) -> &HostPort {
        &self.at
    }

    /// The scheme that errors show.
    pub(in crate::endpoint) fn scheme(&self) -> &'static str {
        match self.kind {
            Kind::Socks5 => "socks5",
            Kind::Http => "http",
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.at)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl FromStr for Proxy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // Errors show what the user typed, but never the password.
        let shown = text.rsplit('@').next().unwrap_or_default();
        let wrong = |what: String| Error::usage(what).with_hint("such as socks5://HOST:1080 or http://HOST:3128");
        let (kind, rest) = match text.split_once("://") {
            Some(("socks5" | "socks5h", rest)) => (Kind::Socks5, rest),
            Some(("http", rest)) => (Kind::Http, rest),
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return Err(wrong(format!("`{scheme}://` is not a known kind of proxy")));
            }
            _ => return Err(wrong(format!("`{shown}` needs a scheme for the kind of proxy"))),
        };
        let (login, at) = match rest.rsplit_once('@') {
            Some((login, at)) => (
                Some(Login::parse(login).ok_or_else(|| {
                    wrong(
                        "the user or password in front of the proxy is longer than 255 bytes, or not as URLs write it"
                            .to_owned(),
                    )
                })?),
                at,
            ),
            None => (None, rest),
        };
        let at = at.trim_end_matches('/').parse::<HostPort>();
        let at = at.map_err(|error| wrong(format!("the address of the proxy: {error}")))?;
        if at.host.is_none() || at.port == 0 {
            return Err(wrong(format!("`{shown}` has no host, or no port")));
        }
        Ok(Self { kind, at, login })
    }
}

impl Login {
    /// Reads `USER:PASSWORD`, as written in a URL.
    fn parse(text: &str) -> Option<Self> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let (user, password) = (decoded(user)?, decoded(password)?);
        let fits = |word: &str| word.len() <= 255 && !word.contains(['\r', '\n']);
        (!user.is_empty() && !user.contains(':') && fits(&user) && fits(&password)).then_some(Self { user, password })
    }
}

/// Decodes a URL's `%XX` to bytes.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// However it is written, a parsed proxy can be parsed again from its text, and no text about it contains a password.
        #[test]
        fn a_password_is_told_to_nobody(
            scheme in "(socks5|socks5h|http|ftp|me:SECRET)?(://|:/|)",
            user in "[a-z%]{0,3}",
            before in "[@:/%]{0,2}",
            at in "[a-z]{0,3}(:[0-9]{0,6})?/?",
        ) {
            let text = format!("{scheme}{user}:{before}SECRET@{at}");
            match text.parse::<Proxy>() {
                Ok(proxy) => {
                    prop_assert!(!format!("{proxy} {proxy:?}").contains("SECRET"), "{proxy:?}");
                    prop_assert_eq!(proxy.to_string().parse::<Proxy>().unwrap().to_string(), proxy.to_string());
                }
                Err(error) => {
                    let said = format!("{error} {}", error.hint().unwrap_or_default());
                    prop_assert!(!said.contains("SECRET"), "{text}: {said}");
                }
            }
        }

        #[test]
        fn any_text_is_a_proxy_or_an_error(text: String) {
            prop_assert!(text.parse::<Proxy>().err().is_none_or(|error| error.is_usage()));
        }
    }
}
