//! The client's messages to an HTTP proxy: CONNECT, and the head of the answer, without a socket.

use super::super::http_head::MAX_HEADERS;
use super::refusal::Refusal;
use super::settings::Login;
use crate::address::HostPort;

pub(super) fn request(target: &HostPort, login: Option<&Login>) -> String {
    let login = login.map(|login| {
        let words = format!("{}:{}", login.user, login.password);
        format!("Proxy-Authorization: Basic {}\r\n", data_encoding::BASE64.encode(words.as_bytes()))
    });
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{}\r\n", login.unwrap_or_default())
}

/// Whether the proxy has connected.
pub(super) fn accepted(head: &[u8]) -> Result<(), Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    if !matches!(response.parse(head), Ok(httparse::Status::Complete(_))) {
        let begun = &head[..head.len().min(24)];
        return Err(Refusal::new(match begun {
            [] => "ended without an answer".to_owned(),
            begun => format!("does not speak HTTP: it answered \"{}\"", begun.escape_ascii()),
        })
        .hint("is it a SOCKS5 proxy (socks5://HOST:PORT)?"));
    }
    let (code, reason) = (response.code.unwrap_or_default(), response.reason.unwrap_or_default());
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(80).collect();
    match code {
        200..=299 => Ok(()),
        407 => Err(Refusal::new("wants a login").wants_login()),
        403 | 405 => Err(Refusal::new(format!("does not allow this connection: {code} {reason}"))
            .hint("many proxies allow CONNECT to port 443 alone")),
        code => Err(Refusal::new(format!("did not connect: {code} {reason}"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_names_the_target_and_who_asks() {
        let target: HostPort = "[2001:db8::1]:443".parse().unwrap();
        assert_eq!(request(&target, None), "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n");
        let login = Login { user: "Aladdin".to_owned(), password: "open sesame".to_owned() };
        // RFC 7617, section 2.
        assert!(
            request(&target, Some(&login)).contains("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n")
        );
    }

    #[test]
    fn answers_of_every_kind() {
        for (head, what) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", None),
            ("HTTP/1.0 204 \r\nX: y\r\n\r\n", None),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Some("wants a login")),
            ("HTTP/1.1 403 Filtered\r\n\r\n", Some("does not allow this connection: 403 Filtered")),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", Some("did not connect: 502 Bad Gateway")),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Some("did not connect: 101 Switching Protocols")),
            ("", Some("ended without an answer")),
            ("HTTP/1.1 200", Some("does not speak HTTP: it answered \"HTTP/1.1 200\"")),
            ("\x05\x00", Some("does not speak HTTP: it answered \"\\x05\\x00\"")),
            ("HTTP/9.9 200 OK\r\n\r\n", Some("does not speak HTTP: it answered \"HTTP/9.9 200 OK\\r\\n\\r\\n\"")),
        ] {
            assert_eq!(accepted(head.as_bytes()).map_err(|refusal| refusal.what).err().as_deref(), what, "{head}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
        assert!(accepted(many.as_bytes()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        /// Text that is nearly an answer: what follows its end belongs to the target, and only a code of 200 to 299
        /// counts as a success.
        #[test]
        fn any_answer_has_a_verdict(
            version in "HTTP/[01]\\.[0-9]|SSH-2\\.0|",
            code in 0..1000_u32,
            reason in "[ -~\u{9b}\u{1b}]{0,9}",
            lines in vec("[A-Za-z -]{0,4}:?[ -~]{0,9}", 0..4),
            behind in vec(any::<u8>(), 0..9),
        ) {
            let lines: String = lines.into_iter().map(|line| line + "\r\n").collect();
            let head = format!("{version} {code:03} {reason}\r\n{lines}\r\n");
            let all = [head.as_bytes(), &behind].concat();
            let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            prop_assert!(end <= head.len(), "an empty line may come sooner");
            match accepted(&all[..end]) {
                Ok(()) => prop_assert!((200..300).contains(&code) && version.starts_with("HTTP/1.")),
                Err(refusal) => prop_assert!(!refusal.what.chars().any(char::is_control), "{:?}", refusal),
            }
        }

        #[test]
        fn any_bytes_at_all_are_no_answer(head in vec(any::<u8>(), 0..200)) {
            let refusal = accepted(&head).unwrap_err();
            prop_assert!(!refusal.what.chars().any(char::is_control), "{:?}", refusal);
        }
    }
}
