//! The client's messages to a SOCKS5 proxy, and the answers (RFC 1928; the login is RFC 1929): a state machine without
//! a socket.

use super::refusal::Refusal;
use super::settings::Login;
use crate::address::HostPort;

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;

/// Authentication methods.
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;

/// Address types.
const V4: u8 = 1;
const NAME: u8 = 3;
const V6: u8 = 4;

/// A conversation with a proxy, until the target takes over.
#[derive(Debug)]
pub(super) struct Socks {
    state: State,
    login: Option<Vec<u8>>,
    request: Vec<u8>,
}

/// What the proxy sends next.
#[derive(Debug)]
enum State {
    /// The authentication method that the proxy has chosen.
    Method,
    /// Whether the login is right.
    Login,
    /// Whether the proxy has connected, and the type of the address that follows.
    Reply,
    /// The length of a name.
    NameLength,
    /// The address, which is ignored.
    Address(usize),
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Read more.
    Hear,
    /// Send these bytes, then read more.
    Say(Vec<u8>),
    /// The next byte comes from the target.
    Done,
}

impl Socks {
    /// Creates the state machine, and returns the first message to send.
    pub(super) fn new(target: &HostPort, login: Option<&Login>) -> Result<(Self, Vec<u8>), Refusal> {
        let mut request = vec![VERSION, 1, 0];
        match target.host().parse() {
            Ok(std::net::IpAddr::V4(ip)) => {
                request.push(V4);
                request.extend_from_slice(&ip.octets());
            }
            Ok(std::net::IpAddr::V6(ip)) => {
                request.push(V6);
                request.extend_from_slice(&ip.octets());
            }
            Err(_) => {
                let name = target.host();
                let length = u8::try_from(name.len());
                let length = length.map_err(|_| Refusal::new("cannot be told a name of more than 255 bytes"))?;
                request.extend_from_slice(&[NAME, length]);
                request.extend_from_slice(name.as_bytes());
            }
        }
        request.extend_from_slice(&target.port.to_be_bytes());
        let login = login.map(|login| {
            let mut said = vec![LOGIN_VERSION];
            for word in [&login.user, &login.password] {
                said.push(u8::try_from(word.len()).expect("a login is parsed with words of up to 255 bytes"));
                said.extend_from_slice(word.as_bytes());
            }
            said
        });
        let greeting = match login {
            Some(_) => vec![VERSION, 2, NO_LOGIN, PASSWORD],
            None => vec![VERSION, 1, NO_LOGIN],
        };
        Ok((Self { state: State::Method, login, request }, greeting))
    }

    /// Number of bytes to read for the next step: the caller must not take more.
    pub(super) fn wants(&self) -> usize {
        match self.state {
            State::Method | State::Login => 2,
            State::Reply => 4,
            State::NameLength => 1,
            State::Address(length) => length,
        }
    }

    /// Handles exactly as many bytes as [`wants`](Self::wants) asked for.
    pub(super) fn hears(&mut self, said: &[u8]) -> Result<Step, Refusal> {
        match (&self.state, said) {
            (State::Method, [VERSION, NO_LOGIN]) => Ok(self.ask()),
            (State::Method, [VERSION, PASSWORD]) if self.login.is_some() => {
                self.state = State::Login;
                Ok(Step::Say(self.login.take().unwrap_or_default()))
            }
            (State::Method, [VERSION, _]) => Err(Refusal::new("wants another login than it is given").wants_login()),
            (State::Login, [_, 0]) => Ok(self.ask()),
            (State::Login, _) => Err(Refusal::new("does not accept the user and password")),
            (State::Reply, [VERSION, 0, _, kind]) => {
                self.state = match *kind {
                    V4 => State::Address(4 + 2),
                    V6 => State::Address(16 + 2),
                    NAME => State::NameLength,
                    kind => {
                        return Err(Refusal::new(format!("answered with an address of the unknown kind {kind}")));
                    }
                };
                Ok(Step::Hear)
            }
            (State::Reply, [VERSION, code, ..]) => Err(declined(*code)),
            (State::NameLength, [length]) => {
                self.state = State::Address(usize::from(*length) + 2);
                Ok(Step::Hear)
            }
            (State::Address(_), _) => Ok(Step::Done),
            (_, said) => Err(Refusal::new(format!("does not speak SOCKS5: it answered \"{}\"", said.escape_ascii()))
                .hint("is it an HTTP proxy (http://HOST:PORT)?")),
        }
    }

    fn ask(&mut self) -> Step {
        self.state = State::Reply;
        Step::Say(std::mem::take(&mut self.request))
    }
}

/// Words a refusal (RFC 1928, section 6).
fn declined(code: u8) -> Refusal {
    Refusal::new(match code {
        1 => "failed".to_owned(),
        2 => "does not allow this connection".to_owned(),
        3 => "cannot reach the target's network".to_owned(),
        4 => "cannot reach the target".to_owned(),
        5 => "was refused by the target: nothing listens there".to_owned(),
        6 => "got no answer from the target in time".to_owned(),
        7 => "does not connect to targets at all".to_owned(),
        8 => "does not know this kind of address".to_owned(),
        code => format!("answered with the code {code}, which means nothing"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> HostPort {
        text.parse().unwrap()
    }

    fn me() -> Login {
        Login { user: "me".to_owned(), password: "it".to_owned() }
    }

    /// Feeds these answers to a machine, one for each step. Returns what it sends, and how it ended.
    fn plays(mut machine: Socks, heard: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Result<(), String>>) {
        let (mut said, mut end) = (Vec::new(), None);
        for heard in heard {
            assert!(end.is_none(), "it goes on");
            assert_eq!(machine.wants(), heard.len());
            match machine.hears(heard) {
                Ok(Step::Say(next)) => said.push(next),
                Ok(Step::Hear) => {}
                Ok(Step::Done) => end = Some(Ok(())),
                Err(refusal) => end = Some(Err(refusal.what)),
            }
        }
        (said, end)
    }

    #[test]
    fn a_name_is_given_to_the_proxy_to_resolve() {
        let (machine, greeting) = Socks::new(&target("example.test:80"), None).unwrap();
        assert_eq!(greeting, [5, 1, 0]);
        let (said, end) = plays(machine, &[&[5, 0], &[5, 0, 0, 1], &[127, 0, 0, 1, 1, 2]]);
        assert_eq!(said, [b"\x05\x01\x00\x03\x0cexample.test\x00\x50".to_vec()]);
        assert_eq!(end, Some(Ok(())));
    }

    #[test]
    fn addresses_and_every_kind_of_answer() {
        let (machine, _) = Socks::new(&target("192.0.2.7:258"), None).unwrap();
        let (said, end) = plays(machine, &[&[5, 0], &[5, 0, 0, 3], &[3], b"abc\x01\x02"]);
        assert_eq!((said, end), (vec![vec![5, 1, 0, 1, 192, 0, 2, 7, 1, 2]], Some(Ok(()))));
        let (machine, _) = Socks::new(&target("[2001:db8::1]:258"), None).unwrap();
        let (said, end) = plays(machine, &[&[5, 0], &[5, 0, 0, 4], &[0; 18]]);
        assert_eq!(said[0][..8], [5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8]);
        assert_eq!((said[0].len(), end), (22, Some(Ok(()))));
    }

    #[test]
    fn a_login_is_given_where_it_is_wanted() {
        let (machine, greeting) = Socks::new(&target("a:1"), Some(&me())).unwrap();
        assert_eq!(greeting, [5, 2, 0, 2]);
        let (said, _) = plays(machine, &[&[5, 2], &[1, 0]]);
        assert_eq!(said, [b"\x01\x02me\x02it".to_vec(), b"\x05\x01\x00\x03\x01a\x00\x01".to_vec()]);
        let (machine, _) = Socks::new(&target("a:1"), Some(&me())).unwrap();
        let (_, end) = plays(machine, &[&[5, 2], &[1, 1]]);
        assert_eq!(end, Some(Err("does not accept the user and password".to_owned())));
    }

    #[test]
    fn hostile_answers_are_refused() {
        let machine = || Socks::new(&target("a:1"), None).unwrap().0;
        for (heard, what) in [
            (&[&b"HT"[..]][..], "does not speak SOCKS5: it answered \"HT\""),
            (&[&[4, 0]], "does not speak SOCKS5: it answered \"\\x04\\x00\""),
            (&[&[5, 0xff]], "wants another login than it is given"),
            (&[&[5, 2]], "wants another login than it is given"),
            (&[&[5, 9]], "wants another login than it is given"),
            (&[&[5, 0], &[4, 0, 0, 1]], "does not speak SOCKS5: it answered \"\\x04\\x00\\x00\\x01\""),
            (&[&[5, 0], &[5, 0, 0, 2]], "answered with an address of the unknown kind 2"),
            (&[&[5, 0], &[5, 5, 0, 1]], "was refused by the target: nothing listens there"),
            (&[&[5, 0], &[5, 200, 0, 1]], "answered with the code 200, which means nothing"),
        ] {
            assert_eq!(plays(machine(), heard).1, Some(Err(what.to_owned())));
        }
        let long = HostPort { host: Some("a".repeat(256)), port: 1 };
        assert!(Socks::new(&long, None).is_err());
    }

    /// An answer as in RFC 1928 with random contents: whether it asks for a login, and the reply.
    fn answer() -> impl Strategy<Value = (bool, Vec<u8>)> {
        let address = prop_oneof![
            vec(any::<u8>(), 4).prop_map(|octets| [vec![V4], octets].concat()),
            vec(any::<u8>(), 16).prop_map(|octets| [vec![V6], octets].concat()),
            vec(any::<u8>(), 0..=255).prop_map(|name| [vec![NAME, name.len() as u8], name].concat()),
        ];
        (any::<bool>(), address, any::<[u8; 2]>(), any::<u8>()).prop_map(|(login, address, port, reserved)| {
            (login, [&[VERSION, 0, reserved][..], &address, &port].concat())
        })
    }

    /// Feeds a stream to a machine, as many bytes at a time as it asks for. Returns how many it took, and the error.
    fn hears(mut machine: Socks, stream: &[u8]) -> (usize, Option<Result<(), Refusal>>) {
        let mut rest = stream;
        loop {
            assert!((1..=257).contains(&machine.wants()), "{machine:?}");
            let Some((said, behind)) = rest.split_at_checked(machine.wants()) else {
                return (stream.len() - rest.len(), None);
            };
            rest = behind;
            match machine.hears(said) {
                Ok(Step::Done) => return (stream.len() - rest.len(), Some(Ok(()))),
                Ok(_) => {}
                Err(refusal) => return (stream.len() - rest.len(), Some(Err(refusal))),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        /// What follows the answer belongs to the target: no byte of it is taken.
        #[test]
        fn an_answer_is_taken_whole_and_nothing_behind_it((login, reply) in answer(), behind in vec(any::<u8>(), 0..9)) {
            let machine = Socks::new(&target("a:1"), Some(&me())).unwrap().0;
            let method = if login { vec![VERSION, PASSWORD, LOGIN_VERSION, 0] } else { vec![VERSION, NO_LOGIN] };
            let stream = [&method[..], &reply, &behind].concat();
            let (taken, end) = hears(machine, &stream);
            prop_assert_eq!((taken, end), (method.len() + reply.len(), Some(Ok(()))));
        }

        /// From an answer that has a wrong byte or is cut off, no more is taken than from a right one.
        #[test]
        fn a_wrong_answer_is_refused_or_waited_for((_, reply) in answer(), at in 0..6_usize, byte: u8, cut: bool) {
            let machine = Socks::new(&target("a:1"), None).unwrap().0;
            let mut stream = [&[VERSION, NO_LOGIN][..], &reply].concat();
            stream[at] = byte;
            stream.truncate(stream.len() - usize::from(cut));
            let (taken, end) = hears(machine, &stream);
            prop_assert!(taken <= stream.len());
            if let Some(Err(refusal)) = &end {
                prop_assert!(!refusal.what.chars().any(char::is_control), "{:?}", refusal);
            }
            let wrong = (at == 0 || at == 2) && byte != VERSION || at == 1 && byte != NO_LOGIN || at == 3 && byte != 0;
            prop_assert!(!wrong || matches!(end, Some(Err(_))), "{:?}", end);
        }
    }

    /// Whatever comes, each step asks for few bytes and the conversation ends.
    #[test]
    fn it_ends_whatever_comes() {
        for seed in 0..2000u32 {
            let (mut machine, _) = Socks::new(&target("a:1"), (seed % 2 == 0).then(me).as_ref()).unwrap();
            let mut state = seed.wrapping_mul(2_654_435_761) | 1;
            let mut steps = 0;
            loop {
                assert!(machine.wants() <= 257 && steps < 6);
                let said: Vec<u8> = (0..machine.wants())
                    .map(|at| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        // Often nearly right, so that the conversation goes on.
                        if at == 0 { 5 } else { (state >> 24) as u8 % 5 }
                    })
                    .collect();
                match machine.hears(&said) {
                    Ok(Step::Done) | Err(_) => break,
                    Ok(_) => steps += 1,
                }
            }
        }
    }
}
