//! Programs that `shake` must not accuse: answers with times or random values, one slow answer, an early close.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use unstick_shake::{Report, Shake, Verdict};

/// A server in a thread, which serves one connection after the other and gets the number of each.
fn server(serve: impl Fn(u64, &mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming()) {
            serve(number, &mut stream.unwrap());
        }
    });
    address
}

/// A server that reads everything from its client, then answers with this.
fn answering(answer: impl Fn(u64) -> String + Send + 'static) -> SocketAddr {
    server(move |number, stream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        stream.write_all(answer(number).as_bytes()).unwrap();
    })
}

async fn spares(address: SocketAddr) -> Report {
    let report = Shake::server([b'x'; 100], address).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
    assert_eq!(report.tally.delivered, report.tally.planned, "{report}");
    assert!(report.tally.delivered > 100, "{report}");
    report
}

#[tokio::test]
async fn a_clock_that_ticks_now_and_then() {
    spares(answering(|number| {
        format!("HTTP/1.1 200 OK\r\nDate: 12:{:02}:{:02} GMT\r\n\r\nhello", number / 60, number % 60)
    }))
    .await;
    // The runs without cuts before the first report do not differ.
    spares(answering(|number| format!("it is {:02} past ten, and all is well", number / 45))).await;
}

#[tokio::test]
async fn an_answer_that_is_nothing_but_a_clock() {
    spares(answering(|number| format!("{}.{:06}", 1_795_354_860 + number / 9, (number + 7) * 7919 % 1_000_000))).await;
}

#[tokio::test]
async fn a_number_that_is_seldom_shorter() {
    // Its length is before it, as in Redis's answers. One in eleven is short.
    let answer = |number: u64| if number % 11 == 10 { "$5\r\n91234\r\n" } else { "$6\r\n123456\r\n" };
    spares(answering(move |number| format!("*2\r\n:{}\r\n{}+OK\r\n", number * 7919 % 1000, answer(number)))).await;
}

#[tokio::test]
async fn one_slow_answer() {
    spares(server(|number, stream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        if number == 60 {
            std::thread::park_timeout(Duration::from_millis(1500));
        }
        // A client that has waited too long may have gone.
        let _ = stream.write_all(b"at last");
    }))
    .await;
}

#[tokio::test]
async fn one_slow_reader() {
    spares(server(|number, stream| {
        if number == 60 {
            std::thread::park_timeout(Duration::from_millis(2500));
        }
        let _ = stream.read_to_end(&mut Vec::new()).and_then(|_| stream.write_all(b"read"));
    }))
    .await;
}

#[tokio::test]
async fn who_has_heard_enough() {
    let address = server(|_, stream| {
        stream.read_exact(&mut [0; 40]).unwrap();
        stream.write_all(b"enough").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    });
    let report = Shake::server([b'x'; 100], address).run().await.unwrap();
    assert_eq!(report.findings.len(), 0, "{report}");
}

/// Identifiers that differ in each run, also in length: a UUID, hexadecimal digits, base64 with its padding.
fn identifiers(number: u64) -> [String; 3] {
    let mixed = |salt: u64| {
        (number + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    };
    let (one, other) = (mixed(1), mixed(2));
    let uuid = format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        one as u32,
        one >> 48,
        (one >> 36) & 0xfff,
        other & 0xfff,
        other >> 16
    );
    let bytes: Vec<u8> = (0..14 + number % 6).map(|at| mixed(at + 3) as u8).collect();
    [uuid, format!("{:x}", one >> (number % 3 * 8)), data_encoding::BASE64.encode(&bytes)]
}

#[tokio::test]
async fn identifiers_of_any_length() {
    for at in 0..3 {
        spares(answering(move |number| format!("ok {}, your request is done\n", identifiers(number)[at]))).await;
        spares(answering(move |number| format!("{}\n", identifiers(number)[at]))).await;
    }
    spares(answering(|number| {
        let [uuid, digits, base64] = identifiers(number);
        format!("{{\"id\": \"{uuid}\", \"session\": \"{base64}\", \"at\": \"0x{digits}\", \"ok\": true}}\n")
    }))
    .await;
}

#[tokio::test]
async fn beside_identifiers_a_fault_is_found() {
    let address = server(|number, stream| {
        let mut asked = [0; 64];
        let count = stream.read(&mut asked).unwrap();
        let [uuid, _, base64] = identifiers(number);
        let _ = writeln!(stream, "{uuid} took {count} bytes for session {base64}");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let report = Shake::server(*b"hello", address).run().await.unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Broken, 1), "{report}");
    // The report names the byte that differs, not the identifiers.
    let headline = report.findings[0].headline();
    assert!(headline.starts_with("the answer differs from byte 42 on"), "{headline}");
}
