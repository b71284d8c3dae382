//! What a client asked for when it opened a WebSocket: path, query, headers, and the subprotocol that was agreed on.

/// The request that opened a WebSocket. Its length is bounded by [`MAX_OPENING`](crate::limits::MAX_OPENING), and it
/// contains no control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The path, as it was sent: `/chat`.
    pub path: String,
    /// The text after the `?`, if there was one.
    pub query: Option<String>,
    /// Names in lower case and values, in order, without the headers of the handshake itself.
    pub headers: Vec<(String, String)>,
    /// The subprotocol that both ends speak.
    pub protocol: Option<String>,
}

/// Header lines that belong to the handshake.
#[cfg(feature = "ws")]
const OWN: [&str; 6] = [
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
];

impl Request {
    #[cfg(feature = "ws")]
    pub(super) fn new(target: &str, headers: &[httparse::Header<'_>], protocol: Option<String>) -> Self {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let headers = headers.iter().map(|line| (line.name.to_ascii_lowercase(), text(line.value)));
        let headers = headers.filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
        Self { path: plain(path), query: query.map(plain), headers, protocol }
    }

    /// Path and query as the client sent them.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The value of a header, whatever its letter case. The values of several lines are joined with commas.
    pub fn header(&self, name: &str) -> Option<String> {
        let values =
            self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        let values: Vec<&str> = values.collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The same as environment variables for a command: `UNSTICK_PATH`, `UNSTICK_QUERY`, `UNSTICK_SUBPROTOCOL` and one
    /// `UNSTICK_HEADER_NAME` for each header. The name is in capitals, with `_` for anything but letters and digits.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut variables = vec![("UNSTICK_PATH".to_owned(), self.path.clone())];
        variables.extend(self.query.clone().map(|query| ("UNSTICK_QUERY".to_owned(), query)));
        variables.extend(self.protocol.clone().map(|name| ("UNSTICK_SUBPROTOCOL".to_owned(), name)));
        for (name, value) in &self.headers {
            let name = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
            let name = format!("UNSTICK_HEADER_{}", name.collect::<String>());
            match variables.iter_mut().find(|(own, _)| *own == name) {
                Some((_, values)) => *values += &format!(", {value}"),
                None => variables.push((name, value.clone())),
            }
        }
        variables
    }
}

/// A header's value as text.
#[cfg(feature = "ws")]
fn text(value: &[u8]) -> String {
    plain(String::from_utf8_lossy(value).trim())
}

/// Removes control characters: the text may go to a terminal or an environment.
#[cfg(feature = "ws")]
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(all(test, feature = "ws"))]
mod tests {
    use super::*;

    fn request(target: &str, headers: &[(&str, &[u8])]) -> Request {
        let headers: Vec<_> = headers.iter().map(|(name, value)| httparse::Header { name, value }).collect();
        Request::new(target, &headers, Some("chat".to_owned()))
    }

    #[test]
    fn a_request_is_an_environment() {
        let headers: [(&str, &[u8]); 6] = [
            ("Host", b"localhost"),
            ("X-Odd.Name", b" a "),
            ("x-odd_name", b"b"),
            ("Upgrade", b"websocket"),
            ("Sec-WebSocket-Key", b"secret"),
            ("X-Latin", b"\xff"),
        ];
        let request = request("/a/b?c=d?e", &headers);
        assert_eq!((request.path.as_str(), request.query.as_deref()), ("/a/b", Some("c=d?e")));
        assert_eq!(request.target(), "/a/b?c=d?e");
        assert_eq!(request.header("HOST").as_deref(), Some("localhost"));
        let environment = request.environment();
        let expected = [
            ("UNSTICK_PATH", "/a/b"),
            ("UNSTICK_QUERY", "c=d?e"),
            ("UNSTICK_SUBPROTOCOL", "chat"),
            ("UNSTICK_HEADER_HOST", "localhost"),
            ("UNSTICK_HEADER_X_ODD_NAME", "a, b"),
            ("UNSTICK_HEADER_X_LATIN", "\u{fffd}"),
        ];
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(environment, expected);
    }
}
