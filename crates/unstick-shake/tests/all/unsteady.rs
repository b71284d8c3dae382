//! Servers whose answers change from run to run, by chance or by time: `shake` must not take that for the cut's doing.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use unstick_shake::{Shake, Verdict};

use crate::doubted::{doubts, said, server};

/// A number that nothing connects with the one before (SplitMix64's steps).
fn draw(number: u64, salt: u64) -> u64 {
    let mut drawn = (number + 1).wrapping_add(salt << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    drawn ^ (drawn >> 31)
}

#[tokio::test]
async fn who_answers_one_way_or_another_is_never_accused() {
    for (salt, often) in [(1, 2), (2, 3), (3, 5), (4, 9), (5, 40), (6, 2), (7, 4), (8, 15)] {
        let address = server(move |number, mut stream| {
            let mut asked = [0; 9];
            let _ = stream.read_exact(&mut asked);
            let answer: &[u8] = if draw(number, salt).is_multiple_of(often) { b"no\n" } else { b"yes, it is done\n" };
            let _ = stream.write_all(answer);
        });
        let report = Shake::server(*b"123456789", address).run().await.unwrap();
        assert_ne!(report.verdict, Verdict::Broken, "{often}: {report}");
    }
}

#[tokio::test]
async fn a_cut_that_decides_is_found_beside_chance_and_how_sure_that_is_is_said() {
    let address = server(|number, mut stream| {
        let mut asked = [0; 64];
        let count = stream.read(&mut asked).unwrap_or(0);
        let busy = number % 3 == 1;
        let answer: &[u8] = match count {
            9 if busy => b"try again in a while\n",
            9 => b"it is done\n",
            _ => b"400 what?\n",
        };
        let _ = stream.write_all(answer);
        while let Ok(1..) = stream.read(&mut asked) {}
    });
    let report = Shake::server(*b"123456789", address).run().await.unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Broken, 1), "{report}");
    let evidence = report.findings[0].evidence.unwrap();
    assert!(evidence.chance < 1e-3 && evidence.otherwise > 4, "{report}");
    assert!(said(&report).contains("and in none of"), "{report}");
}

#[tokio::test]
async fn a_cut_that_gives_a_sound_server_time_now_and_then_is_no_finding() {
    // Two questions and a goodbye: what is unanswered then is dropped, and pieces leave more time for answers.
    for (salt, often, of) in [(1, 1, 2), (2, 2, 3), (3, 3, 5), (4, 1, 3), (5, 1, 2), (6, 3, 5)] {
        let address = server(move |number, mut stream| {
            let mut asked = [0; 64];
            let whole = stream.read(&mut asked).unwrap_or(0) == 9;
            let time = !whole && draw(number, salt) % of < often;
            let _ = stream.write_all(if time { b"one\ntwo\n" } else { b"one\n" });
            while let Ok(1..) = stream.read(&mut asked) {}
        });
        let report = Shake::server(*b"123456789", address).run().await.unwrap();
        assert_ne!(report.verdict, Verdict::Broken, "{often} of {of}: {report}");
    }
}

#[tokio::test]
async fn durations_in_answers_are_not_held_against_a_case() {
    let address = server(|number, mut stream| {
        let mut asked = [0; 9];
        let _ = stream.read_exact(&mut asked);
        let (one, other) = (number * 7919 % 1300, number * 104_729 % 11);
        let _ = write!(stream, "a OK Fetch completed ({}.{:03} + 0.{other:03} secs).\r\n", one / 1000, one % 1000);
    });
    let report = Shake::server(*b"123456789", address).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
}

#[tokio::test]
async fn a_limit_of_connections_is_no_finding() {
    for limit in [4, 12, 22] {
        let address = server(move |number, mut stream| {
            if number >= limit {
                return; // closed at once
            }
            let mut asked = [0; 9];
            let _ = stream.read_exact(&mut asked).and_then(|()| stream.write_all(&asked));
        });
        let report = Shake::server(*b"123456789", address).run().await.unwrap();
        doubts(&report, "a later run without cuts differed from the first ones");
    }
}

#[tokio::test]
async fn a_limit_of_rate_is_no_finding() {
    let last = std::sync::Mutex::new(None::<Instant>);
    let address = server(move |_, mut stream| {
        let now = Instant::now();
        let before = last.lock().unwrap().replace(now);
        if before.is_some_and(|before| now - before < Duration::from_millis(30)) {
            let _ = stream.write_all(b"429 slow down\n");
            return;
        }
        let mut asked = [0; 9];
        let _ = stream.read_exact(&mut asked).and_then(|()| stream.write_all(&asked));
    });
    let report = Shake::server(*b"123456789", address).run().await.unwrap();
    assert_eq!(report.findings.len(), 0, "{report}");
}
