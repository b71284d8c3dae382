//! Responses whose form depends on their request: HTTP's to HEAD and CONNECT, in any order of requests.

use unstick_wire::shake::{Conversation, Direction};
use unstick_wire::{Decoder, Encoder, Framing, Role};

/// A client's encoder and decoder, or a server's decoder of requests and encoder of responses.
fn client() -> (Encoder, Decoder) {
    let http = Framing::parse("http").unwrap();
    let (mut asks, mut hears) = (http.encoder().unwrap(), http.sent_by(Role::Server).decoder());
    let (out, back) = http.dialogue_with(&http).unwrap();
    asks.follow(&out);
    hears.follow(&back);
    (asks, hears)
}

fn server() -> (Decoder, Encoder) {
    let (encoder, decoder) = client();
    (decoder, encoder)
}

fn ask(encoder: &mut Encoder, request: &str) {
    encoder.encode(request.as_bytes(), &mut Vec::new()).unwrap_or_else(|error| panic!("{request}: {error}"));
}

/// The messages in these bytes, which arrive in pieces of this size.
fn hear(decoder: &mut Decoder, bytes: &str, piece: usize) -> Vec<String> {
    let mut found = Vec::new();
    for piece in bytes.as_bytes().chunks(piece) {
        decoder.feed(piece);
        while let Some(message) = decoder.next().unwrap() {
            found.push(String::from_utf8(message.to_vec()).unwrap());
        }
    }
    assert_eq!(decoder.pending(), b"");
    found
}

const HEAD: &str = "HEAD /a HTTP/1.1\r\n\r\n";
const GET: &str = "GET /b HTTP/1.1\r\n\r\n";
const POST: &str = "POST /c HTTP/1.1\r\nContent-Length: 4\r\n\r\nHEAD";
const CONNECT: &str = "CONNECT a:1 HTTP/1.1\r\n\r\n";
/// The response to each request, and the effect of an unrequested or interim response.
const BARE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\n\r\n";
const FULL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
const SAME: &str = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const REFUSED: &str = "HTTP/1.1 405 No\r\nContent-Length: 2\r\n\r\nno";

#[test]
fn a_response_to_head_ends_behind_its_head_whatever_it_announces() {
    let requests = [HEAD, GET, HEAD, POST, HEAD, HEAD, GET, HEAD];
    let responses = [BARE, FULL, CONTINUE, CHUNKED, EARLY, FULL, ENDLESS, SAME, EMPTY, EARLY, EARLY, BARE];
    for piece in [1, 2, 3, 7, 64, 4096] {
        let (mut asks, mut hears) = client();
        for request in requests {
            ask(&mut asks, request);
        }
        assert_eq!(hear(&mut hears, &responses.concat(), piece), responses, "in pieces of {piece}");
        // The same for a server: requests arrive, and the sent messages answer them.
        let (mut hears, mut answers) = server();
        assert_eq!(hear(&mut hears, &requests.concat(), piece), requests);
        for response in responses {
            ask(&mut answers, response);
        }
    }
}

#[test]
fn methods_are_case_sensitive_and_words_elsewhere_are_no_methods() {
    let (mut asks, mut hears) = client();
    ask(&mut asks, "head / HTTP/1.1\r\n\r\n");
    ask(&mut asks, "HEADS / HTTP/1.1\r\nHEAD: /\r\n\r\n");
    ask(&mut asks, "GET /HEAD HTTP/1.1\r\n\r\n");
    assert_eq!(hear(&mut hears, &FULL.repeat(3), 64), [FULL, FULL, FULL]);
}

#[test]
fn who_speaks_unasked_answers_nobody() {
    let timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 2\r\n\r\nno";
    let (mut asks, mut hears) = client();
    assert_eq!(hear(&mut hears, timeout, 64), [timeout]);
    ask(&mut asks, HEAD);
    assert_eq!(hear(&mut hears, BARE, 64), [BARE]);
    assert_eq!(hear(&mut hears, FULL, 64), [FULL]);
}

#[test]
fn an_answer_may_come_before_the_request_has_ended() {
    let (mut requests, mut answers) = server();
    requests.feed(b"HEAD /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe");
    assert_eq!(requests.next().unwrap(), None);
    ask(&mut answers, BARE);
    requests.feed(b"llo");
    assert!(requests.next().unwrap().is_some());
    assert!(answers.encode(BARE.as_bytes(), &mut Vec::new()).is_err(), "nothing is asked any more");
}

#[test]
fn an_accepted_connect_has_no_body_and_a_refused_one_has() {
    let (mut asks, mut hears) = client();
    ask(&mut asks, CONNECT);
    assert_eq!(hear(&mut hears, REFUSED, 64), [REFUSED]);
    ask(&mut asks, CONNECT);
    assert_eq!(hear(&mut hears, ENDLESS, 64), [ENDLESS]);
}

#[test]
fn a_server_may_send_a_body_where_its_user_says_so() {
    let (mut requests, mut answers) = server();
    hear(&mut requests, &[HEAD, HEAD].concat(), 64);
    ask(&mut answers, FULL);
    ask(&mut answers, BARE);
    let error = answers.encode(BARE.as_bytes(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("announces 43 bytes in all"), "{error}");
}

#[test]
fn what_cannot_be_sent_asks_nothing() {
    let (mut asks, mut hears) = client();
    asks.encode(b"HEAD / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", &mut Vec::new()).unwrap_err();
    ask(&mut asks, GET);
    assert_eq!(hear(&mut hears, FULL, 64), [FULL]);
}

#[test]
fn other_framings_have_nothing_to_tell() {
    for spec in ["line", "sip", "rtsp", "http-message/line"] {
        let Ok(framing) = Framing::parse(spec) else { continue };
        assert!(framing.dialogue_with(&framing).is_none(), "{spec}");
    }
    let (http, line) = (Framing::parse("fixed:2/http-message").unwrap(), Framing::parse("line").unwrap());
    let (asks, answers) = http.dialogue_with(&line).unwrap();
    let mut requests = http.encoder().unwrap();
    requests.follow(&asks);
    ask(&mut requests, "hi");
    ask(&mut requests, HEAD);
    let mut responses = http.decoder();
    responses.follow(&answers);
    assert_eq!(hear(&mut responses, &["hi", BARE].concat(), 64), ["hi", BARE]);
}

#[test]
fn a_recorded_conversation_is_read_as_one() {
    let mut recorded = Conversation::default();
    recorded.client.bytes = [HEAD, GET].concat().into();
    recorded.server.bytes = [BARE, FULL].concat().into();
    recorded.find_frames(&Framing::parse("http").unwrap());
    let ends: Vec<u64> = recorded.of(Direction::ServerToClient).frames.iter().map(|frame| frame.end).collect();
    assert_eq!(ends, [BARE.len() as u64, (BARE.len() + FULL.len()) as u64]);
}
