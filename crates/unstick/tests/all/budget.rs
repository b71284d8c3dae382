//! Which messages count in the budget of unfinished messages (`PendingBudget`): those of WebSocket, and those that a dump
//! decodes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use unstick::service::bridge::{Clients, Config, Faults, Target, bridge};
use unstick::{Link, Listener, Options, PendingBudget, limits, listen};

use crate::bridges::Diary;
use crate::suite::{framing, options, run};

/// Long enough to be counted; three of them exceed the budget.
const PART: usize = 4 * limits::PENDING_FREE;
const MOST: usize = 10 * limits::PENDING_FREE;

/// The header of a frame of a client, masked with zeros.
fn header(first: u8, length: usize) -> Vec<u8> {
    [&[first, 0x80 | 127][..], &(length as u64).to_be_bytes(), &[0; 4]].concat()
}

/// A hand-written WebSocket client, after its handshake.
async fn client(listener: &mut Listener) -> (TcpStream, Link) {
    let at = listener.addresses()[0].split('/').nth(2).unwrap().to_owned();
    let mut client = TcpStream::connect(at).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let link = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    (client, link)
}

/// Receives until the budget holds this much.
async fn receives_until(link: &mut Link, budget: &PendingBudget, held: usize) {
    tokio::select! {
        received = link.recv() => panic!("{received:?}"),
        () = async { while budget.held() != held { tokio::task::yield_now().await } } => {}
    }
}

#[test]
fn a_websocket_message_counts_from_its_first_byte_to_its_last() {
    run(async {
        let mut options = options();
        options.pending = PendingBudget::new(MOST);
        let budget = options.pending.clone();
        let mut listener = listen(&"ws://127.0.0.1:0".parse().unwrap(), None, &options).await.unwrap();
        // One in fragments with a ping between them, and one in a single frame.
        let (mut parts, mut fragmented) = client(&mut listener).await;
        parts.write_all(&[header(0x02, PART), vec![1; PART]].concat()).await.unwrap();
        receives_until(&mut fragmented, &budget, PART).await;
        parts.write_all(&[&[0x89, 0x84, 0, 0, 0, 0][..], b"ping"].concat()).await.unwrap();
        let (mut whole, mut single) = client(&mut listener).await;
        whole.write_all(&[header(0x82, 2 * PART), vec![2; PART]].concat()).await.unwrap();
        receives_until(&mut single, &budget, 2 * PART).await;
        // Both end: nothing is held any more.
        parts.write_all(&[header(0x80, 3), vec![1; 3]].concat()).await.unwrap();
        assert_eq!(fragmented.recv().await.unwrap().unwrap(), vec![1; PART + 3]);
        receives_until(&mut fragmented, &budget, PART).await;
        whole.write_all(&vec![2; PART]).await.unwrap();
        assert_eq!(single.recv().await.unwrap().unwrap(), vec![2; 2 * PART]);
        receives_until(&mut single, &budget, 0).await;
    });
}

/// The peer with the longest message is closed with 1013 (try again later), although another peer crosses the limit.
#[test]
fn the_longest_websocket_message_gives_way() {
    run(async {
        let mut options = options();
        options.pending = PendingBudget::new(MOST);
        let budget = options.pending.clone();
        let mut listener = listen(&"ws://127.0.0.1:0".parse().unwrap(), None, &options).await.unwrap();
        let (mut longest, mut evicted) = client(&mut listener).await;
        longest.write_all(&[header(0x82, limits::LARGEST_WS_MESSAGE), vec![1; 2 * PART]].concat()).await.unwrap();
        receives_until(&mut evicted, &budget, 2 * PART).await;
        let (mut small, mut stays) = client(&mut listener).await;
        small.write_all(&[header(0x82, PART + 1), vec![2; PART]].concat()).await.unwrap();
        receives_until(&mut stays, &budget, PART).await;
        let error = evicted.recv().await.unwrap_err();
        assert!(error.is_over_budget(), "{error}");
        drop(evicted);
        let mut close = [0; 4];
        longest.read_exact(&mut close).await.unwrap();
        assert_eq!(close, [&[0x88, 2][..], &1013_u16.to_be_bytes()].concat()[..]);
        small.write_all(b"x").await.unwrap();
        assert_eq!(stays.recv().await.unwrap().unwrap().len(), PART + 1);
    });
}

/// The bytes still pass. Only showing them as messages is given up.
#[test]
fn a_message_that_a_dump_looks_for_counts_too() {
    run(async {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = Options::default();
        options.pending = PendingBudget::new(MOST);
        let budget = options.pending.clone();
        let listener = listen(&"127.0.0.1:0".parse().unwrap(), Some(&framing("u32be")), &options).await.unwrap();
        let target = Target {
            address: server.local_addr().unwrap().to_string().parse().unwrap(),
            options,
            client: Some(framing("u32be")),
            server: Some(framing("u32be")),
            faults: Faults::default(),
        };
        let mut rules = Config::default();
        rules.dump = true;
        let (notes, mut diary) = mpsc::unbounded_channel();
        let running = tokio::spawn(bridge(Clients::Many(listener), target, Diary(notes), rules));
        let at = diary.recv().await.unwrap().strip_prefix("tcp://").unwrap().to_owned();
        let mut ends = Vec::new();
        for (number, part) in [(1, 2 * PART), (2, PART)] {
            let mut near = TcpStream::connect(&at).await.unwrap();
            let (mut far, _) = server.accept().await.unwrap();
            assert_eq!(diary.recv().await.unwrap(), format!("{number} opens"));
            let frame = [&(3 * PART as u32).to_be_bytes()[..], &vec![b'x'; part]].concat();
            near.write_all(&frame).await.unwrap();
            let mut passed = vec![0; frame.len()];
            far.read_exact(&mut passed).await.unwrap();
            assert!(passed == frame);
            ends.push((near, far));
        }
        let note = diary.recv().await.unwrap();
        let left_out = format!("nor the {} bytes of the last one", 2 * PART + 4);
        assert!(
            note.starts_with("Some(1) no more messages of this direction are shown") && note.contains(&left_out),
            "{note}"
        );
        assert!((PART + 4..=2 * PART).contains(&budget.held()), "with the room of its buffer: {}", budget.held());
        let (near, far) = &mut ends[0];
        near.write_all(b"and more").await.unwrap();
        let mut passed = [0; 8];
        far.read_exact(&mut passed).await.unwrap();
        assert_eq!(diary.recv().await.unwrap(), "1 c2s and more");
        // The other's message is shown when it has ended.
        let (near, far) = &mut ends[1];
        near.write_all(&vec![b'x'; 2 * PART]).await.unwrap();
        far.read_exact(&mut vec![0; 2 * PART]).await.unwrap();
        let note = diary.recv().await.unwrap();
        assert!(note == format!("2 c2s {}", "x".repeat(3 * PART)), "{}", &note[..note.len().min(100)]);
        running.abort();
    });
}
