//! Cases in which `shake` must be careful: ends that are not cuts; servers that are not tested, or crash.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unstick::Advice;
use unstick::wire::shake::Case;
use unstick_shake::{Report, Shake, Stop, Stream, Verdict, limits};

/// A server with a thread for each connection, which gets the connection's number.
pub(crate) fn server(serve: impl Fn(u64, TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, serve) = (listener.local_addr().unwrap(), Arc::new(serve));
    std::thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming()) {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(number, stream.unwrap()));
        }
    });
    address
}

/// Waits this long; returns true if the client ends its side meanwhile.
fn ends_within(stream: &mut TcpStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    let ends = matches!(stream.read(&mut [0]), Ok(0));
    stream.set_read_timeout(None).unwrap();
    ends
}

/// Reads lines; takes this long for the answer, and drops it if the client ends its side meanwhile, as asyncio's protocols do.
fn thinking(stream: &mut TcpStream, time: Duration) {
    let mut asked = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        asked.push(byte[0]);
        if byte[0] == b'\n' {
            if ends_within(stream, time) || stream.write_all(&asked).is_err() {
                return;
            }
            asked.clear();
        }
    }
}

fn case(text: &str) -> Case {
    text.parse().unwrap()
}

/// The report in one line.
pub(crate) fn said(report: &Report) -> String {
    report.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn doubts(report: &Report, why: &str) {
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Inconclusive, 0), "{report}");
    assert!(said(report).contains(why), "{why:?} is not in {report}");
}

#[tokio::test]
async fn a_server_that_thinks_long_does_not_hang_at_half_close() {
    let address = server(|_, mut stream| {
        let mut asked = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut asked) {
            std::thread::park_timeout(Duration::from_millis(1000));
            let _ = stream.write_all(&asked[..count]);
        }
    });
    let report = Shake::server(*b"x\n", address).run().await.unwrap();
    assert!(report.half_close.is_none(), "{report}");
}

#[tokio::test]
async fn a_server_that_never_stops_sending_is_no_baseline() {
    for pause in [Duration::from_millis(40), Duration::from_millis(400)] {
        let address = server(move |_, mut stream| {
            let _ = stream.read(&mut [0; 64]);
            while stream.write_all(b"tick\n").is_ok() {
                ends_within(&mut stream, pause);
            }
        });
        let begun = std::time::Instant::now();
        let report = Shake::server(*b"hello\n", address).timeout(Duration::from_secs(2)).run().await.unwrap();
        doubts(&report, "(the server has sent");
        doubts(
            &report,
            &format!("so nothing was compared: send what makes it end, or fall silent; {}", Advice::AllowLongerRuns),
        );
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }
    let address = server(|_, mut stream| while stream.write_all(&[b'x'; 65536]).is_ok() {});
    let report = Shake::server(*b"hello\n", address).timeout(Duration::from_secs(2)).run().await.unwrap();
    doubts(&report, "so nothing was compared");
}

// ---- the end is not a cut ----

#[tokio::test]
async fn an_answer_that_is_dropped_at_half_close_is_no_fault_at_a_boundary() {
    let address = server(|_, mut stream| thinking(&mut stream, Duration::from_millis(20)));
    let shake = Shake::server(*b"hello\n", address);
    let report = shake.clone().run().await.unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Same, 0), "{report}");
    let half_close = report.half_close.as_ref().unwrap();
    assert_eq!((half_close.smallest.to_string(), half_close.headline()), ("c2s:half-close".into(), "no answer".into()));
    assert!(said(&report).contains("half-close no answer: what a client meets that ends its side"), "{report}");
    // It counts if the caller asks for it.
    let report = shake.clone().strict_end(true).run().await.unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Broken, 1), "{report}");
    assert_eq!(report.findings[0].smallest, case("c2s:half-close"));
    assert!(report.findings[0].pattern.contains("ends right after its last byte"), "{report}");
    // If it is switched off, the report does not mention it.
    let report = shake.half_close(false).run().await.unwrap();
    assert!(report.passed() && report.half_close.is_none(), "{report}");
}

#[tokio::test]
async fn each_read_for_a_message_is_found_where_answers_take_their_time() {
    let address = server(|_, mut stream| {
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let answer = format!("{count}\n");
            let mut later = stream.try_clone().unwrap();
            std::thread::spawn(move || {
                std::thread::park_timeout(Duration::from_millis(5));
                let _ = later.write_all(answer.as_bytes());
            });
        }
        let _ = stream.shutdown(Shutdown::Both);
    });
    for half_close in [true, false] {
        let report = Shake::server(*b"123456789", address).half_close(half_close).run().await.unwrap();
        assert_eq!((report.verdict, report.findings.len()), (Verdict::Broken, 1), "{report}");
        let pattern = "fails whenever client→server is cut, at all of the 8 places tried.";
        assert_eq!(report.findings[0].pattern, pattern, "{report}");
    }
}

#[tokio::test]
async fn a_service_that_drops_its_answer_at_the_end_is_spared_too() {
    let service = |mut stream: Stream| async move {
        let mut asked = [0; 64];
        let (mut count, mut closed) = (0, false);
        while count < 6 && !closed {
            let more = stream.read(&mut asked[count..]).await.unwrap_or(0);
            (count, closed) = (count + more, more == 0);
        }
        // An answer takes some time. A client that ends meanwhile gets none.
        if tokio::time::timeout(Duration::from_millis(5), stream.read(&mut [0])).await.is_err() {
            let _ = stream.write_all(&asked[..count]).await;
        }
    };
    let report = Shake::service(*b"hello\n", service).run().await.unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Same, 0), "{report}");
    assert!(report.half_close.is_some(), "{report}");
}

#[tokio::test]
async fn connections_end_in_order_and_not_with_a_reset() {
    let resets = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&resets);
    let address = server(move |_, mut stream| {
        let mut buffer = [0; 64];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => drop(stream.write_all(&buffer[..count])),
                Err(_) => {
                    seen.fetch_add(1, Relaxed);
                    return;
                }
            }
        }
    });
    for half_close in [true, false] {
        let report = Shake::server(*b"hello", address).half_close(half_close).run().await.unwrap();
        assert_eq!(report.verdict, Verdict::Same, "{report}");
    }
    assert_eq!(resets.load(Relaxed), 0);
}

#[tokio::test]
async fn who_never_closes_holds_nobody_up() {
    assert_eq!(limits::CLOSE_PATIENCE, Duration::from_millis(100));
    let address = server(|_, mut stream| {
        let mut buffer = [0; 64];
        let count = stream.read(&mut buffer).unwrap();
        let _ = stream.write_all(&buffer[..count.min(2)]);
        std::mem::forget(stream);
    });
    let begun = Instant::now();
    let report = Shake::server(*b"hello", address).only(vec![case("c2s:cut@3"); 20]).jobs(1).run().await.unwrap();
    assert!(begun.elapsed() < limits::ANSWER_PATIENCE * 2, "{report}");
}

#[tokio::test]
async fn a_reset_and_an_end_are_the_same_unless_asked() {
    // Leaves the last byte unread now and then, which makes a reset of its close.
    let address = server(|_, mut stream| {
        let mut asked = [0; 4];
        let first = stream.read(&mut asked).unwrap();
        let _ = stream.read_exact(&mut asked[first..]);
        if first < 4 {
            while stream.peek(&mut [0]).is_ok_and(|count| count == 0) {}
        } else {
            let _ = stream.read(&mut [0]);
        }
        let _ = stream.write_all(b"ok");
    });
    let shake = Shake::server(*b"hello", address);
    let report = shake.clone().run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
    let report = shake.strict_end(true).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Broken, "{report}");
    assert_eq!(report.findings[0].headline(), "server→client is reset (without cuts it ends)");
}

// ---- nothing tested ----

#[tokio::test]
async fn a_server_that_thinks_longer_than_a_second_is_waited_for() {
    let address = server(|_, mut stream| thinking(&mut stream, Duration::from_millis(1500)));
    let report = Shake::server(*b"hello\n", address).only([case("c2s:cut@2")]).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
    assert_eq!(report.conversation.server.bytes, b"hello\n");
}

#[tokio::test]
async fn a_server_that_thinks_too_long_is_not_passed() {
    let thinks = limits::ANSWER_PATIENCE + Duration::from_secs(1);
    let address = server(move |_, mut stream| thinking(&mut stream, thinks));
    let shake = Shake::server(*b"hello\n", address).only([case("c2s:cut@2")]).jobs(1);
    doubts(&shake.clone().run().await.unwrap(), "A longer timeout gives each run more time");
    let report = shake.timeout(thinks * 2).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_passed() {
    let mute = server(|_, mut stream| drop(stream.read_to_end(&mut Vec::new())));
    doubts(&Shake::server(*b"hello", mute).run().await.unwrap(), "the server closed without an answer");
    let open = server(|_, mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
        std::mem::forget(stream);
    });
    doubts(&Shake::server(*b"hello", open).run().await.unwrap(), "the server did not answer");
    let closes = server(|_, stream| drop(stream));
    doubts(&Shake::server(*b"hello", closes).run().await.unwrap(), "the server closed without an answer");
}

#[tokio::test]
async fn a_server_that_hangs_up_with_a_word_is_not_passed() {
    let address = server(|_, mut stream| drop(stream.write_all(b"too many connections\n")));
    doubts(&Shake::server([b'x'; 40], address).run().await.unwrap(), "cuts and joins were delivered");
}

#[tokio::test]
async fn a_program_that_does_not_start_is_not_passed() {
    doubts(&Shake::pipes(["false"], *b"hello").run().await.unwrap(), "the program exits 1 without an answer");
    let missing = Shake::pipes(["python3", "/no/such/script.py"], *b"hello").run().await.unwrap();
    doubts(&missing, "can't open file '/no/such/script.py'");
    let mute = Shake::pipes(["sh", "-c", "cat > /dev/null"], *b"hello").run().await.unwrap();
    doubts(&mute, "the program printed nothing");
    assert!(!said(&mute).contains("server"), "pipes have no server: {mute}");
}

#[tokio::test]
async fn one_byte_cannot_be_cut() {
    let address = server(|_, mut stream| drop(stream.read(&mut [0]).and_then(|_| stream.write_all(b"ok"))));
    doubts(&Shake::server(*b"x", address).run().await.unwrap(), "nothing was cut");
}

// ---- death ----

#[tokio::test]
async fn a_server_that_dies_after_some_connections_has_died() {
    for lives in [2, 3, 8] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(lives) {
                let (mut stream, mut asked) = (stream.unwrap(), [0; 5]);
                let _ = stream.read_exact(&mut asked).and_then(|()| stream.write_all(&asked));
            }
        });
        let report = Shake::server(*b"hello", address).jobs(1).run().await.unwrap();
        doubts(&report, "the server died");
        doubts(&report, &Advice::StartServerForEachCase.to_string());
    }
}

// ---- which outcome is the expected one ----

#[tokio::test]
async fn who_answers_only_when_cut_is_said_to() {
    // Takes a read for a message, unless it is longer than one.
    let address = server(|_, mut stream| {
        let mut asked = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut asked) {
            if count <= 6 {
                let _ = stream.write_all(&asked[..count]);
            }
        }
    });
    let report = Shake::server(*b"first;second;", address).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Broken, "{report}");
    assert!(report.findings[0].headline().starts_with("no answer, only "), "{report}");
    assert!(said(&report).contains("without cuts the server does not answer"), "{report}");
}

#[tokio::test]
async fn what_happened_stands_in_the_headline() {
    for (breaks, headline) in [
        (&b""[..], "no answer"),
        (b"a whole", "the answer breaks off after 7 of 14 bytes"),
        (b"a whole answer and more", "the answer goes on: 23 bytes, not 14"),
        (b"a false answer", "the answer differs from byte 2 on"),
    ] {
        let service = move |mut stream: Stream| async move {
            let whole = stream.read(&mut [0; 64]).await.unwrap() == 5;
            let _ = stream.write_all(if whole { b"a whole answer" } else { breaks }).await;
        };
        let report = Shake::service(*b"hello", service).run().await.unwrap();
        assert_eq!(report.findings[0].headline(), headline, "{report}");
    }
}

#[tokio::test]
async fn what_is_answered_only_behind_the_end_is_found() {
    // Takes one line each time that bytes arrive. The other lines wait for more bytes, or for the end.
    let address = server(|_, mut stream| {
        let (mut buffer, mut come) = ([0; 64], Vec::new());
        loop {
            let count = stream.read(&mut buffer).unwrap_or(0);
            come.extend_from_slice(&buffer[..count]);
            match come.iter().position(|byte| *byte == b'\n') {
                Some(end) => drop(stream.write_all(&come.drain(..=end).collect::<Vec<u8>>())),
                None if count == 0 => return,
                None => {}
            }
        }
    });
    let report = Shake::server(*b"one\n", address).then(*b"two\n").run().await.unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Broken, 1), "{report}");
    let finding = &report.findings[0];
    assert_eq!(finding.smallest, case("c2s:join@0..8"), "{report}");
    assert_eq!(finding.headline(), "the server sends the last 4 of 8 bytes only after the client ends its side");
    assert!(finding.cause.contains("stays in a buffer until more arrives"), "{report}");
}

/// Lines, each answered at once; `quit` closes, before anything that came with it is answered.
fn quits(stream: &mut TcpStream, answers_first: bool) {
    let (mut buffer, mut come) = ([0; 64], Vec::new());
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        come.extend_from_slice(&buffer[..count]);
        let quits = come.ends_with(b"quit\n");
        while let Some(end) = come.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = come.drain(..=end).collect();
            if !quits || (answers_first && line != b"quit\n") {
                let _ = stream.write_all(&line);
            }
            if answers_first {
                // The fault: bytes after a message in the same read are lost.
                come.clear();
            }
        }
        if quits {
            return;
        }
    }
}

#[tokio::test]
async fn a_last_message_that_cancels_answers_is_no_finding_and_no_pass() {
    let address = server(|_, mut stream| quits(&mut stream, false));
    for shake in
        [Shake::server(*b"hello\nworld\nquit\n", address), Shake::server(*b"hello\nworld\n", address).then(*b"quit\n")]
    {
        let report = shake.run().await.unwrap();
        doubts(&report, "bytes 12 to 16 come in the same read as what is before them, and closes");
    }
}

#[tokio::test]
async fn a_server_that_loses_what_follows_in_a_read_is_found_before_a_last_message_too() {
    let address = server(|_, mut stream| quits(&mut stream, true));
    let report = Shake::server(*b"hello\nworld\nquit\n", address).run().await.unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Broken, 1), "{report}");
    assert_eq!(report.findings[0].headline(), "the answer goes on: 12 bytes, not 6");
    assert!(report.findings[0].cause.contains("what follows is dropped"), "{report}");
}

/// As with LDAP's bind and search: the server gives up the answer to the second message if the last one arrives with it.
#[tokio::test]
async fn several_messages_behind_a_cut_may_be_what_the_last_cancels() {
    let address = server(|_, mut stream| {
        let (mut come, mut buffer) = (Vec::new(), [0; 100]);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            come.extend_from_slice(&buffer[..count]);
            let Some(end) = come.iter().rposition(|byte| *byte == b'\n') else { continue };
            let lines: Vec<u8> = come.drain(..=end).collect();
            // The second line is given up if the last one arrives while the first is answered.
            let given_up = lines.starts_with(b"bind") && lines.ends_with(b"quit\n");
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                match line {
                    b"quit\n" => return,
                    b"find\n" if given_up => {}
                    line => stream.write_all(line).unwrap(),
                }
            }
        }
    });
    let report = Shake::server(*b"bind\nfind\nquit\n", address).run().await.unwrap();
    doubts(&report, "where its last message comes in the same read as what is before it, and closes");
}

/// If runs without cuts begin to have the other outcome too, the case shrinks to nothing.
#[tokio::test]
async fn a_server_that_changes_while_a_case_is_shrunk_is_no_finding_and_no_bug() {
    let cut = AtomicU64::new(0);
    let address = server(move |_, mut stream| {
        let (mut come, mut buffer, mut reads) = (0, [0; 100], 0);
        while come < 6 {
            let Ok(count @ 1..) = stream.read(&mut buffer) else { return };
            (come, reads) = (come + count, reads + 1);
        }
        // The case differs when it is tried and tried again. After that, every run does.
        let changed = cut.load(Relaxed) >= 2 && reads == 2 || reads == 3;
        cut.fetch_add(u64::from(changed), Relaxed);
        let _ = stream.write_all(if changed || cut.load(Relaxed) > 2 { b"no\n" } else { b"yes\n" });
        let _ = stream.read(&mut buffer);
    });
    let shake = Shake::server(*b"hello\n", address).jobs(1).only([case("c2s:cut@1,c2s:cut@3")]);
    let report = shake.run().await.unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Inconclusive, 0), "{report}");
}

// ---- coverage, time, interruption ----

#[tokio::test]
async fn an_estimate_counts_runs_without_cuts_and_comes_true() {
    let address = server(|_, mut stream| thinking(&mut stream, Duration::from_millis(400)));
    let estimate = Arc::new(std::sync::Mutex::new(None));
    let told = Arc::clone(&estimate);
    let shake = Shake::server(*b"hello\n", address).jobs(1).only(["c2s:cut@1", "c2s:cut@2", "c2s:cut@3"].map(case));
    let shake = shake.on_progress(move |progress| {
        let mut told = told.lock().unwrap();
        *told = told.or(progress.estimate);
    });
    let report = shake.run().await.unwrap();
    let share = estimate.lock().unwrap().unwrap().as_secs_f64() / report.took.as_secs_f64();
    assert!((0.75..1.5).contains(&share), "{estimate:?}, {report}");
}

#[tokio::test]
async fn every_planned_cut_is_counted_and_the_same_number_each_time() {
    let counts = async || {
        let address = server(|_, mut stream| {
            let mut asked = [0; 4];
            let _ = stream.read_exact(&mut asked).and_then(|()| stream.write_all(&asked));
            let _ = stream.shutdown(Shutdown::Write);
        });
        let report = Shake::server(*b"abcdefgh", address).run().await.unwrap();
        assert_eq!(report.findings.len(), 0, "{report}");
        let tally = report.tally;
        assert_eq!(tally.delivered + tally.gone, tally.planned, "{report}");
        assert!(said(&report).contains("not possible: the server was gone"), "{report}");
        (tally.planned, tally.delivered)
    };
    let first = counts().await;
    assert_eq!(first.0, 14, "seven single cuts, and a byte at a time");
    for _ in 0..4 {
        assert_eq!(counts().await, first);
    }
}

#[tokio::test]
async fn time_is_kept_also_in_runs_without_cuts_and_with_any_number_of_cases() {
    let slow = server(|_, mut stream| thinking(&mut stream, Duration::from_millis(700)));
    let begun = Instant::now();
    let report = Shake::server(*b"hello\n", slow).time(Duration::from_secs(1)).run().await.unwrap();
    doubts(&report, "the time was over");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let careful = |mut stream: Stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let begun = Instant::now();
    let report = Shake::service([0; 64], careful).time(Duration::from_secs(1)).random(u64::MAX).run().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{report}");
}

#[tokio::test]
async fn interrupted_it_says_what_was_found() {
    let address = server(|_, mut stream| thinking(&mut stream, Duration::from_millis(100)));
    let stop = Stop::default();
    let ends = stop.clone();
    let shake = Shake::server([&[b'x'; 200][..], b"\n"].concat(), address);
    let shake = shake.jobs(1).stopped_by(&stop).on_progress(move |progress| {
        if progress.done == 3 {
            ends.now();
        }
    });
    let report = shake.run().await.unwrap();
    doubts(&report, "it was interrupted after 3 of");
    assert_eq!(report.results.len(), 3, "{report}");
    let tally = report.tally;
    assert!(tally.planned > 200 && tally.delivered + tally.untried == tally.planned, "{report}");
    // This also holds before anything is known.
    let stop = Stop::default();
    stop.now();
    let report = Shake::server(*b"hello", address).stopped_by(&stop).run().await.unwrap();
    doubts(&report, "it was interrupted during the runs without cuts");
}
