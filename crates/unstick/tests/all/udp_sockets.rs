//! UDP: which peers have a session, which address answers, and datagrams of every size and kind of destination.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use unstick::limits::{LARGEST_PAYLOAD, MAX_SESSION_BYTES, MAX_SESSION_QUEUE, MAX_SESSIONS, MAX_UNREAD, SESSION_IDLE};
use unstick::{Advice, Link, Listener, Options, Receiver, connect, listen};

use crate::suite::{PATIENCE, Pair, expect, message, pair, polls};

async fn listener(address: &str, options: &Options) -> Listener {
    listen(&address.parse().unwrap(), None, options).await.unwrap()
}

async fn client(address: &str, options: &Options) -> unstick::Result<Link> {
    connect(&address.parse().unwrap(), None, options).await
}

fn port(listener: &Listener) -> u16 {
    listener.addresses()[0].rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A listener, and a client that has a session.
async fn session(options: &Options) -> (Listener, Link, Link) {
    let mut listener = listener("udp://127.0.0.1:0", options).await;
    let near = client(&listener.addresses()[0], options).await.unwrap();
    near.send(b"here I am").await.unwrap();
    let mut far = listener.accept().await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"here I am"[..]);
    (listener, near, far)
}

/// Lets the listener's task take what has arrived, because the kernel's queue is small.
async fn let_it_take() {
    polls(20).await;
}

/// All waiting messages.
async fn take_all(receiver: &mut Receiver) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    loop {
        tokio::select! {
            biased;
            got = receiver.recv() => taken.push(got.unwrap().unwrap().to_vec()),
            () = let_it_take() => return taken,
        }
    }
}

#[tokio::test]
async fn every_peer_is_a_session_of_its_own() {
    let options = Options::default();
    let mut listener = listener("udp://127.0.0.1:0", &options).await;
    let mut peers = Vec::new();
    for number in 0..20 {
        let near = client(&listener.addresses()[0], &options).await.unwrap();
        near.send(&message(number, 100)).await.unwrap();
        let far = listener.accept().await.unwrap();
        assert_eq!(far.addrs().remote, near.addrs().local);
        peers.push((near, far));
    }
    for (number, (near, far)) in peers.iter_mut().enumerate().rev() {
        assert_eq!(far.recv().await.unwrap().unwrap(), message(number as u64, 100));
        far.send(&message(100 + number as u64, 100)).await.unwrap();
        assert_eq!(near.recv().await.unwrap().unwrap(), message(100 + number as u64, 100));
    }
}

#[tokio::test]
async fn an_answer_comes_from_the_address_that_was_asked() {
    let mut listener = listener("udp://0.0.0.0:0", &Options::default()).await;
    let port = port(&listener);
    let mut near = client(&format!("udp://127.0.0.2:{port}"), &Options::default()).await.unwrap();
    near.send(b"who are you?").await.unwrap();
    let mut far = listener.accept().await.unwrap();
    assert_eq!(far.addrs().local, format!("127.0.0.2:{port}"));
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"who are you?"[..]);
    // A connected socket gets datagrams only from the address that it asked.
    far.send(b"the one you asked").await.unwrap();
    assert_eq!(near.recv().await.unwrap().unwrap(), &b"the one you asked"[..]);
}

#[tokio::test]
async fn a_peer_that_asks_two_addresses_has_two_sessions() {
    let mut listener = listener("udp://0.0.0.0:0", &Options::default()).await;
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    for asked in ["127.0.0.2", "127.0.0.3"] {
        let asked: SocketAddr = format!("{asked}:{}", port(&listener)).parse().unwrap();
        peer.send_to(asked.to_string().as_bytes(), asked).unwrap();
        let mut far = listener.accept().await.unwrap();
        assert_eq!(far.recv().await.unwrap().unwrap(), asked.to_string());
        far.send(b"answer").await.unwrap();
        let mut answer = [0; 10];
        assert_eq!(peer.recv_from(&mut answer).unwrap(), (6, asked));
    }
}

#[tokio::test]
async fn a_socket_of_both_families_answers_the_older_one_in_its_own_name() {
    let mut listener = listener("udp://[::]:0", &Options::default()).await;
    let port = port(&listener);
    for asked in [format!("127.0.0.2:{port}"), format!("[::1]:{port}")] {
        let mut near = client(&format!("udp://{asked}"), &Options::default()).await.unwrap();
        near.send(b"who are you?").await.unwrap();
        let mut far = listener.accept().await.unwrap();
        assert_eq!((&far.addrs().local, &far.addrs().remote), (&asked, &near.addrs().local));
        assert_eq!(far.recv().await.unwrap().unwrap(), &b"who are you?"[..]);
        far.send(&vec![b'x'; 60_000]).await.unwrap();
        assert_eq!(near.recv().await.unwrap().unwrap().len(), 60_000);
    }
}

#[tokio::test]
async fn without_a_host_both_families_listen_on_one_port() {
    let mut listener = listener("udp://:0", &Options::default()).await;
    let addresses: Vec<SocketAddr> =
        listener.addresses().iter().map(|a| a.strip_prefix("udp://").unwrap().parse().unwrap()).collect();
    assert!(addresses.iter().all(|a| a.ip().is_loopback() && a.port() == addresses[0].port()), "{addresses:?}");
    for address in addresses {
        let mut near = client(&format!("udp://{address}"), &Options::default()).await.unwrap();
        near.send(b"hello").await.unwrap();
        let far = listener.accept().await.unwrap();
        assert_eq!(far.addrs().local, address.to_string());
        far.send(b"hello yourself").await.unwrap();
        assert_eq!(near.recv().await.unwrap().unwrap(), &b"hello yourself"[..]);
    }
}

#[tokio::test]
async fn an_empty_datagram_is_a_message() {
    let Pair { mut near, mut far, keeps: _keeps } = pair("udp://127.0.0.1:0", "line").await;
    for message in [&b""[..], b"between", b""] {
        near.send(message).await.unwrap();
        assert_eq!(far.recv().await.unwrap().unwrap(), message);
        far.send(message).await.unwrap();
        assert_eq!(near.recv().await.unwrap().unwrap(), message);
    }
}

/// `LARGEST_PAYLOAD`.
#[tokio::test]
async fn a_message_that_no_datagram_carries_is_refused_and_the_link_goes_on() {
    let Pair { near, mut far, keeps: _keeps } = pair("udp://127.0.0.1:0", "line").await;
    let error = near.send(&vec![0; LARGEST_PAYLOAD + 1]).await.unwrap_err();
    assert!(error.is_message_rejected(), "{error}");
    assert_eq!(error.to_string(), "a message of 65508 bytes is too long for a datagram");
    assert_eq!(error.hint(), Some("a UDP datagram carries at most 65507 bytes"));
    let largest = message(1, LARGEST_PAYLOAD);
    near.send(&largest).await.unwrap();
    assert!(far.recv().await.unwrap().unwrap() == largest);
}

/// No IPv4 datagram reaches `LARGEST_DATAGRAM`, so the test uses a smaller limit.
#[tokio::test]
async fn a_datagram_that_is_too_long_is_cut_short_and_counted() {
    let mut options = Options::default();
    options.udp.largest = 100;
    let (_listener, near, far) = session(&options).await;
    let ((near_sender, mut near), (far_sender, mut far)) = (near.split(), far.split());
    for (sender, receiver) in [(&near_sender, &mut far), (&far_sender, &mut near)] {
        for (number, length) in [(1, 100), (2, 101), (3, 99), (4, 5000)] {
            sender.send(&message(number, length)).await.unwrap();
            expect(receiver, &message(number, length)[..length.min(100)]).await;
            assert_eq!(receiver.truncated(), [0, 0, 1, 1, 2][number as usize]);
        }
    }
}

/// `SESSION_IDLE`.
#[tokio::test]
async fn an_idle_session_ends_and_its_peer_may_come_again() {
    assert_eq!(Options::default().udp.session_idle, SESSION_IDLE);
    let mut options = Options::default();
    options.udp.session_idle = Duration::from_millis(100);
    let (mut listener, near, mut far) = session(&options).await;
    let begun = Instant::now();
    assert_eq!(far.recv().await.unwrap(), None);
    assert!(begun.elapsed() >= Duration::from_millis(90), "it ended after {:?}", begun.elapsed());
    assert_eq!(far.send(b"are you there?").await.unwrap_err().io_kind(), Some(ErrorKind::NotConnected));
    near.send(b"back again").await.unwrap();
    let mut again = listener.accept().await.unwrap();
    assert_eq!(again.recv().await.unwrap().unwrap(), &b"back again"[..]);
    assert_eq!(again.addrs(), far.addrs());
}

/// Sends in one direction for several times as long as a session may be idle. Returns the longest pause that the machine made
/// meanwhile, and whether the session ended and began again.
async fn speaks_on(outward: bool, options: &Options) -> (Duration, bool) {
    let (mut listener, mut near, mut far) = session(options).await;
    let (begun, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let mut ended = false;
    while !ended && begun.elapsed() < 3 * options.udp.session_idle {
        let (from, to) = if outward { (&mut far, &mut near) } else { (&mut near, &mut far) };
        let sent = from.send(b"still here").await;
        ended = tokio::select! {
            got = to.recv(), if sent.is_ok() => !matches!(got, Ok(Some(_))),
            _ = listener.accept() => true,
            else => true,
        };
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    (longest, ended)
}

#[tokio::test]
async fn a_session_is_kept_by_what_is_sent_as_by_what_arrives() {
    let mut options = Options::default();
    options.udp.session_idle = Duration::from_millis(200);
    for outward in [true, false] {
        // On a busy machine, the pause itself may have been too long.
        while let (longest, true) = speaks_on(outward, &options).await {
            assert!(longest > options.udp.session_idle / 2, "it ended though nothing paused for more than {longest:?}");
        }
    }
}

/// `MAX_SESSIONS`: the test uses a smaller limit.
#[tokio::test]
async fn there_are_only_so_many_sessions_until_one_has_gone() {
    assert_eq!(Options::default().udp.max_sessions, MAX_SESSIONS);
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let mut options = Options::default();
    options.udp.max_sessions = 3;
    options.trace = Some(Arc::new(move |what: &str| teller.lock().unwrap().push(what.to_owned())));
    let mut listener = listener("udp://127.0.0.1:0", &options).await;
    let address = listener.addresses()[0].clone();
    let mut peers = Vec::new();
    for _ in 0..5 {
        let near = client(&address, &Options::default()).await.unwrap();
        near.send(b"me too").await.unwrap();
        peers.push(near);
    }
    let mut sessions = Vec::new();
    for near in &peers[..3] {
        let mut far = listener.accept().await.unwrap();
        assert_eq!(far.addrs().remote, near.addrs().local);
        assert_eq!(far.recv().await.unwrap().unwrap(), &b"me too"[..]);
        sessions.push(far);
    }
    while listener.refused() < 2 {
        let_it_take().await;
    }
    assert_eq!(listener.refused(), 2);
    let refusals = told.lock().unwrap().iter().filter(|line| line.ends_with("refused: there are 3 sessions")).count();
    assert_eq!(refusals, 1, "one report for all of them: {told:?}");
    // Existing sessions are not disturbed.
    peers[0].send(b"still in").await.unwrap();
    assert_eq!(sessions[0].recv().await.unwrap().unwrap(), &b"still in"[..]);
    sessions.remove(1);
    peers[4].send(b"now me").await.unwrap();
    let mut far = listener.accept().await.unwrap();
    assert_eq!(far.addrs().remote, peers[4].addrs().local);
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"now me"[..]);
}

#[tokio::test]
async fn a_session_lives_as_long_as_either_half() {
    let (mut listener, near, far) = session(&Options::default()).await;
    let (near, mut near_receiver) = near.split();
    let (far, far_receiver) = far.split();
    drop(far_receiver);
    near.send(b"nobody reads this").await.unwrap();
    let_it_take().await;
    far.send(b"I only talk").await.unwrap();
    expect(&mut near_receiver, b"I only talk").await;
    drop(far);
    near.send(b"who is there?").await.unwrap();
    let mut again = listener.accept().await.unwrap();
    assert_eq!(again.recv().await.unwrap().unwrap(), &b"who is there?"[..]);
}

/// `MAX_SESSION_QUEUE`.
#[tokio::test]
async fn what_a_slow_reader_cannot_keep_is_dropped_and_counted() {
    let (listener, near, far) = session(&Options::default()).await;
    let (_far, mut far) = far.split();
    for number in 0..MAX_SESSION_QUEUE as u64 + 100 {
        near.send(&number.to_be_bytes()).await.unwrap();
        if number % 32 == 31 {
            let_it_take().await;
        }
    }
    // Another session is not affected.
    let neighbour = client(&listener.addresses()[0], &Options::default()).await.unwrap();
    neighbour.send(b"and me?").await.unwrap();
    let mut listener = listener;
    assert_eq!(listener.accept().await.unwrap().recv().await.unwrap().unwrap(), &b"and me?"[..]);
    assert_eq!(far.dropped(), 100);
    for number in 0..MAX_SESSION_QUEUE as u64 {
        expect(&mut far, &number.to_be_bytes()).await;
    }
    near.send(b"room again").await.unwrap();
    expect(&mut far, b"room again").await;
}

/// `MAX_SESSION_BYTES`.
#[tokio::test]
async fn large_datagrams_fill_a_queue_sooner() {
    let (_listener, near, far) = session(&Options::default()).await;
    let (_far, mut far) = far.split();
    const LENGTH: usize = 60_000;
    for number in 0..30 {
        near.send(&message(number, LENGTH)).await.unwrap();
        let_it_take().await;
    }
    let kept = take_all(&mut far).await;
    assert!(kept.len() * LENGTH <= MAX_SESSION_BYTES && (kept.len() + 1) * LENGTH > MAX_SESSION_BYTES);
    assert_eq!(far.dropped(), 30 - kept.len() as u64);
    assert!(kept.iter().enumerate().all(|(number, got)| *got == message(number as u64, LENGTH)));
}

/// `MAX_UNREAD`: many sessions, none over its own limit.
#[tokio::test]
async fn all_sessions_together_keep_only_so_much() {
    const LENGTH: usize = 60_000;
    const EACH: usize = MAX_SESSION_BYTES / LENGTH;
    let options = Options::default();
    let mut listener = listener("udp://127.0.0.1:0", &options).await;
    let mut sessions = Vec::new();
    for _ in 0..MAX_UNREAD / (EACH * LENGTH) + 3 {
        let near = client(&listener.addresses()[0], &options).await.unwrap();
        for _ in 0..EACH {
            near.send(&[7; LENGTH]).await.unwrap();
            let_it_take().await;
        }
        sessions.push((near, listener.accept().await.unwrap().split().1));
    }
    let lost: u64 = sessions.iter().map(|(_, far)| far.dropped()).sum();
    let kept = sessions.len() * EACH - lost as usize;
    assert!(kept * LENGTH <= MAX_UNREAD, "{kept} datagrams were kept");
    assert!((kept + EACH) * LENGTH > MAX_UNREAD, "only {kept} datagrams were kept");
    let mut read = 0;
    for (_, far) in &mut sessions {
        read += take_all(far).await.len();
    }
    assert_eq!(read, kept);
    let (near, far) = sessions.last_mut().unwrap();
    near.send(b"room again").await.unwrap();
    expect(far, b"room again").await;
}

#[tokio::test]
async fn a_refusal_is_told_once_and_the_conversation_goes_on() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let near = client(&format!("udp://{free}"), &Options::default()).await.unwrap();
    let (near, mut receiver) = near.split();
    for _ in 0..3 {
        near.send(b"anybody?").await.unwrap();
        let error = receiver.recv().await.unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        assert_eq!(error.to_string(), format!("nothing listens on udp://{free}: connection refused"));
    }
    // A peer that only sends is not affected.
    for _ in 0..10 {
        near.send(b"anybody?").await.unwrap();
    }
    assert!(receiver.recv().await.unwrap_err().is_unreachable());
    let mut listener = listener(&format!("udp://{free}"), &Options::default()).await;
    near.send(b"anybody now?").await.unwrap();
    let mut far = listener.accept().await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"anybody now?"[..]);
    far.send(b"yes").await.unwrap();
    let answer = loop {
        // Earlier refusals may still be reported.
        match receiver.recv().await {
            Ok(answer) => break answer.unwrap(),
            Err(error) => assert!(error.is_unreachable(), "{error}"),
        }
    };
    assert_eq!(answer, &b"yes"[..]);
}

#[tokio::test]
async fn the_source_is_what_was_asked_for() {
    let mut listener = listener("udp://127.0.0.1:0", &Options::default()).await;
    let free = UdpSocket::bind("127.0.0.5:0").unwrap().local_addr().unwrap();
    let mut options = Options::default();
    options.source = Some(free);
    let near = client(&listener.addresses()[0], &options).await.unwrap();
    assert_eq!(near.addrs().local, free.to_string());
    near.send(b"hello").await.unwrap();
    assert_eq!(listener.accept().await.unwrap().addrs().remote, free.to_string());
    // A port without an address fits either family.
    options.source = Some("[::]:0".parse().unwrap());
    client(&listener.addresses()[0], &options).await.unwrap();
}

#[tokio::test]
async fn an_address_in_use_says_who_holds_it() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = format!("udp://{}", taken.local_addr().unwrap()).parse().unwrap();
    let Err(error) = listen(&address, None, &Options::default()).await else { panic!("two listen on {address}") };
    assert_eq!(error.to_string(), format!("cannot listen on {address}: address already in use"));
    let me = format!("(process {})", std::process::id());
    assert!(error.hint().unwrap().contains(&me), "{:?}", error.hint());
}

/// Options for multicast that stays on this machine.
fn on_loopback() -> Options {
    let mut options = Options::default();
    options.udp.interface = Some("lo".into());
    options.udp.ttl = Some(1);
    options
}

#[tokio::test]
async fn a_group_hears_what_is_sent_to_it_and_answers() {
    let options = on_loopback();
    let mut first = listener("udp://239.255.77.1:0", &options).await;
    let address = first.addresses()[0].clone();
    let mut second = listener(&address, &options).await;
    let near = client(&address, &options).await.unwrap();
    let (near, mut answers) = near.split();
    near.send(b"to all of you").await.unwrap();
    for listener in [&mut first, &mut second] {
        let mut far = listener.accept().await.unwrap();
        assert_eq!(far.recv().await.unwrap().unwrap(), &b"to all of you"[..]);
        far.send(b"heard").await.unwrap();
        expect(&mut answers, b"heard").await;
    }
}

/// Loopback has no route to IPv6 groups, so the test only checks that one can be joined.
#[tokio::test]
async fn a_group_of_the_newer_family_is_joined() {
    let _listener = listener("udp://[ff15::7701]:0", &on_loopback()).await;
    let joined = std::fs::read_to_string("/proc/net/igmp6").unwrap();
    let found = joined.lines().any(|line| line.contains(" lo ") && line.contains("ff150000000000000000000000007701"));
    assert!(found, "{joined}");
}

#[tokio::test]
async fn a_listener_joins_the_groups_that_it_was_told() {
    let mut options = Options::default();
    options.udp.interface = Some("127.0.0.1".into());
    options.udp.join = vec!["239.255.77.2".parse().unwrap()];
    let mut joined = listener("udp://0.0.0.0:0", &options).await;
    let near = client(&format!("udp://239.255.77.2:{}", port(&joined)), &options).await.unwrap();
    near.send(b"to the group").await.unwrap();
    let mut far = joined.accept().await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"to the group"[..]);
    assert_eq!(far.addrs().local, format!("127.0.0.1:{}", port(&joined)), "a group's address sends nothing");
}

#[tokio::test]
async fn an_interface_that_is_not_there_is_said() {
    let mut options = Options::default();
    options.udp.interface = Some("nosuch0".into());
    let error = client("udp://239.255.77.3:9", &options).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    assert!(error.to_string().ends_with("no interface has the name, number or address nosuch0"), "{error}");
}

#[tokio::test]
async fn a_broadcast_has_to_be_asked_for_and_is_answered() {
    let mut options = Options::default();
    let mut everybody = listener("udp://0.0.0.0:0", &options).await;
    let address = format!("udp://127.255.255.255:{}", port(&everybody));
    let error = client(&address, &options).await.unwrap_err();
    assert_eq!(error.advice(), Some(&Advice::AllowBroadcast), "{error}");
    options.udp.broadcast = true;
    let mut near = client(&address, &options).await.unwrap();
    near.send(b"to everybody").await.unwrap();
    let mut far = everybody.accept().await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"to everybody"[..]);
    far.send(b"here").await.unwrap();
    assert_eq!(near.recv().await.unwrap().unwrap(), &b"here"[..]);
}
