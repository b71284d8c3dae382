//! Injected faults: what each does, that a seed repeats it, and which specs are refused.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use unstick_wire::Role;
use unstick_wire::faults::{FaultInjector, Next, Plan, Unit};

fn injector(specs: &[&str], unit: Unit, seed: u64) -> FaultInjector {
    Plan::parse(specs).unwrap().injector(Role::Client, unit, seed)
}

/// Any moment: only the times that are passed in later matter.
#[allow(clippy::disallowed_methods)]
pub(crate) fn begin() -> Instant {
    Instant::now()
}

/// Returns what is delivered of this many messages, each with its number as text, without any time passing.
fn delivered(specs: &[&str], seed: u64, count: u32) -> Vec<u32> {
    let (mut injector, now) = (injector(specs, Unit::Messages, seed), begin());
    for number in 0..count {
        injector.take(&number.to_be_bytes(), now);
    }
    injector.end(now);
    let mut got = Vec::new();
    loop {
        match injector.next(now) {
            Next::Deliver(message) => got.push(u32::from_be_bytes(message[..].try_into().unwrap())),
            Next::End => return got,
            other => panic!("{other:?}"),
        }
    }
}

/// All bytes that are delivered of a stream that is taken in pieces of this size.
fn stream(specs: &[&str], data: &[u8], piece: usize) -> (Vec<u8>, Next) {
    let (mut injector, mut now) = (injector(specs, Unit::Bytes, 1), begin());
    data.chunks(piece).for_each(|piece| injector.take(piece, now));
    injector.end(now);
    let mut got = Vec::new();
    loop {
        match injector.next(now) {
            Next::Deliver(bytes) => got.extend_from_slice(&bytes),
            Next::Wait(until) => now = until,
            last => return (got, last),
        }
    }
}

// ---- each fault ----

#[test]
fn nothing_happens_where_nothing_is_asked() {
    assert_eq!(delivered(&[], 1, 100), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_gap_of_any_size_ends_with_the_conversation() {
    for gap in ["1", "3", "100", "18446744073709551614", "18446744073709551615"] {
        let mut got = delivered(&[&format!("reorder=100%,gap={gap}")], 1, 5);
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2, 3, 4], "{gap}");
    }
}

#[test]
fn what_passed_before_an_end_to_order_does_not_depend_on_how_it_was_read() {
    for piece in [1, 3, 10, 100] {
        let (mut injector, now) = (injector(&["close,after=10"], Unit::Bytes, 1), begin());
        [b'x'; 100].chunks(piece).for_each(|piece| injector.take(piece, now));
        assert_eq!(injector.taken(), 10, "read {piece} bytes at a time");
    }
}

#[test]
fn a_mark_stays_with_its_message_whatever_happens_to_that() {
    let faults = ["dup=20%", "reorder=30%,gap=3", "delay=1ms..9ms", "corrupt=1:50", "loss=10%"];
    let (mut injector, mut now) = (injector(&faults, Unit::Messages, 5), begin());
    for number in 0..500_u32 {
        // The last byte of a message says whether it has a mark. The three bytes before it show what was corrupted.
        let marked = u8::from(number % 3 == 0);
        injector.take_marked(&[7, 7, 7, marked], marked == 1, now);
    }
    injector.end(now);
    let (mut whole, mut marks) = (0, 0);
    loop {
        match injector.next(now) {
            Next::Deliver(message) => {
                marks += u32::from(injector.is_marked());
                if message[..3] == [7, 7, 7] && message[3] < 2 {
                    whole += u32::from((message[3] == 1) == injector.is_marked());
                }
            }
            Next::Wait(until) => now = until,
            Next::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((100..300).contains(&marks) && whole > 400, "{marks} marks, {whole} right");
}

#[test]
fn losses_and_doubles_are_as_many_as_asked_and_counted() {
    let got = delivered(&["loss=10%"], 1, 10_000);
    assert!((8800..9200).contains(&got.len()), "{}", got.len());
    assert!(got.is_sorted());
    let got = delivered(&["dup=10%"], 1, 10_000);
    assert!((10_800..11_200).contains(&got.len()), "{}", got.len());
    assert!(got.is_sorted());
    assert_eq!(delivered(&["loss=100%"], 1, 100).len(), 0);
    assert_eq!(delivered(&["loss=0%"], 1, 100).len(), 100);
    assert_eq!(delivered(&["dup=100%"], 1, 2), [0, 0, 1, 1]);
    let (mut injector, now) = (injector(&["loss=1:2"], Unit::Messages, 3), begin());
    (0..100).for_each(|_| injector.take(b"x", now));
    let lost: u64 = injector.counts().map(|(name, count)| if name == "loss" { count } else { panic!("{name}") }).sum();
    let delivered = std::iter::from_fn(|| matches!(injector.next(now), Next::Deliver(_)).then_some(())).count() as u64;
    assert_eq!(lost + delivered, 100);
}

#[test]
fn a_message_is_overtaken_by_as_many_as_asked_and_none_is_lost() {
    assert_eq!(delivered(&["reorder=100%,gap=1,after=0"], 1, 3), [0, 1, 2], "all wait for each other");
    let got = delivered(&["reorder=20%,gap=3"], 1, 1000);
    let mut sorted = got.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
    assert_ne!(got, sorted);
    for (place, number) in got.iter().enumerate() {
        let late = place as i64 - i64::from(*number);
        assert!((-4..=3).contains(&late), "{number} is at {place}");
    }
}

#[test]
fn the_largest_numbers_there_are_lose_and_break_nothing() {
    let most = u64::MAX;
    assert_eq!(delivered(&[&format!("reorder=100%,gap={most}")], 1, 3), [0, 1, 2]);
    assert_eq!(delivered(&[&format!("loss=100%,after={most}")], 1, 3), [0, 1, 2]);
    let specs = [format!("cut={most} cut={most},after=2"), format!("rate={most}")];
    let (got, last) = stream(&[&specs[0], &specs[1]], b"abc", 2);
    assert_eq!((&got[..], last), (&b"abc"[..], Next::End));
}

/// A peer that waits for an answer sends nothing that could overtake the question.
#[test]
fn a_message_that_nothing_overtakes_goes_by_itself() {
    let (mut injector, now) = (injector(&["reorder=100%"], Unit::Messages, 1), begin());
    injector.take(b"question", now);
    let Next::Wait(until) = injector.next(now) else { panic!("it went at once") };
    assert_eq!(until - now, Duration::from_secs(1));
    assert_eq!(injector.next(until), Next::Deliver("question".into()));
}

#[test]
fn one_bit_of_so_many_bytes_is_turned() {
    let data = vec![0; 100_000];
    let (got, last) = stream(&["corrupt=1:1000"], &data, 777);
    let turned: Vec<&u8> = got.iter().filter(|byte| **byte != 0).collect();
    assert!((70..130).contains(&turned.len()), "{}", turned.len());
    assert!(turned.iter().all(|byte| byte.count_ones() == 1));
    assert_eq!((got.len(), last), (data.len(), Next::End));
    assert_eq!(stream(&["corrupt=1:1000"], &data, 4000).0, got, "the same bytes, however they were read");
}

#[test]
fn a_message_is_cut_short_once_or_as_often_as_asked() {
    let (mut injector, now) = (injector(&["truncate,after=2"], Unit::Messages, 5), begin());
    let lengths: Vec<usize> = (0..5)
        .map(|_| {
            injector.take(&[7; 100], now);
            let Next::Deliver(message) = injector.next(now) else { panic!("nothing came") };
            message.len()
        })
        .collect();
    assert!(lengths[2] < 100, "{lengths:?}");
    assert_eq!([lengths[0], lengths[1], lengths[3], lengths[4]], [100; 4]);
}

#[test]
fn delays_lie_between_their_bounds_and_keep_the_order() {
    let (mut injector, now) = (injector(&["delay=50ms..80ms"], Unit::Messages, 1), begin());
    let mut last = now;
    let mut different = std::collections::BTreeSet::new();
    for number in 0..100_u8 {
        let now = now + Duration::from_secs(1) * u32::from(number);
        injector.take(&[number], now);
        let Next::Wait(due) = injector.next(now) else { panic!("it went at once") };
        assert!((50..=80).contains(&(due - now).as_millis()), "{:?}", due - now);
        assert!(due >= last);
        different.insert((due - now).as_millis());
        last = due;
        assert_eq!(injector.next(due), Next::Deliver(vec![number].into()));
    }
    assert!(different.len() > 10, "{different:?}");
}

#[test]
fn a_rate_spreads_bytes_over_time() {
    let (mut injector, begun) = (injector(&["rate=1000"], Unit::Bytes, 1), begin());
    injector.take(&[0; 2000], begun);
    let (mut now, mut got) = (begun, 0);
    while got < 2000 {
        match injector.next(now) {
            Next::Deliver(bytes) => {
                assert!(bytes.len() <= 50, "a lump of {}", bytes.len());
                got += bytes.len();
            }
            Next::Wait(until) => now = until,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((now - begun).as_millis(), 2000);
}

#[test]
fn a_stall_holds_everything_up_once() {
    let (mut injector, now) = (injector(&["stall=2s,after=1"], Unit::Messages, 1), begin());
    (0..3_u8).for_each(|number| injector.take(&[number], now));
    assert_eq!(injector.next(now), Next::Deliver(vec![0].into()));
    assert_eq!(injector.next(now), Next::Wait(now + Duration::from_secs(2)));
    let later = now + Duration::from_secs(2);
    assert_eq!(injector.next(later), Next::Deliver(vec![1].into()));
    assert_eq!(injector.next(later), Next::Deliver(vec![2].into()));
    assert_eq!(injector.next(later), Next::Input);
}

#[test]
fn an_end_comes_at_its_offset_however_the_bytes_were_read() {
    let data: Vec<u8> = (0..100).collect();
    for piece in [1, 7, 10, 100] {
        assert_eq!(stream(&["close,after=42"], &data, piece), (data[..42].to_vec(), Next::Close));
        assert_eq!(stream(&["reset,after=10"], &data, piece), (data[..10].to_vec(), Next::Reset));
    }
    assert_eq!(stream(&["reset,after=100"], &data, 9), (data.clone(), Next::End), "there is no 101st");
}

#[test]
fn segments_are_cut_and_nothing_else_changes() {
    let (mut injector, now) = (injector(&["cut=3"], Unit::Bytes, 1), begin());
    injector.take(b"abcdefgh", now);
    for wanted in ["abc", "def", "gh"] {
        assert_eq!(injector.next(now), Next::Deliver(wanted.into()));
    }
}

// ---- repeatable ----

#[test]
fn a_seed_repeats_everything_and_another_does_not() {
    let specs = ["loss=10%", "dup=10%", "reorder=10%,gap=2"];
    assert_eq!(delivered(&specs, 1, 1000), delivered(&specs, 1, 1000));
    assert_ne!(delivered(&specs, 1, 1000), delivered(&specs, 2, 1000));
    let plan = Plan::parse(&["loss=50%"]).unwrap();
    let lost = |from| {
        let (mut injector, now) = (plan.injector(from, Unit::Messages, 1), begin());
        (0..64)
            .map(|_| {
                injector.take(b"x", now);
                matches!(injector.next(now), Next::Deliver(_))
            })
            .collect::<Vec<bool>>()
    };
    assert_ne!(lost(Role::Client), lost(Role::Server), "the directions have their own luck");
}

#[test]
fn a_fault_concerns_its_direction_only() {
    let plan = Plan::parse(&["s2c:loss=100% dup=100%"]).unwrap();
    let now = begin();
    let count = |from| {
        let mut injector = plan.injector(from, Unit::Messages, 1);
        injector.take(b"x", now);
        std::iter::from_fn(|| matches!(injector.next(now), Next::Deliver(_)).then_some(())).count()
    };
    assert_eq!((count(Role::Client), count(Role::Server)), (2, 0));
}

/// The result of a stream that is taken in these pieces: each byte and when it is due, where segments begin, how it ends, and the
/// counts of the faults.
#[derive(Debug, PartialEq)]
struct Fate {
    bytes: Vec<(u8, Duration)>,
    begins: Vec<usize>,
    last: Next,
    taken: u64,
    counts: BTreeMap<&'static str, u64>,
}

fn fate(specs: &[&str], data: &[u8], cuts: &[usize]) -> Fate {
    let (mut injector, begun) = (injector(specs, Unit::Bytes, 9), begin());
    let mut from = 0;
    for to in cuts.iter().copied().chain([data.len()]) {
        injector.take(&data[from..to], begun);
        from = to;
    }
    injector.end(begun);
    let (mut now, mut bytes, mut begins) = (begun, Vec::new(), Vec::new());
    let last = loop {
        match injector.next(now) {
            Next::Deliver(segment) => {
                begins.push(bytes.len());
                bytes.extend(segment.iter().map(|byte| (*byte, now - begun)));
            }
            Next::Wait(until) => now = until,
            last => break last,
        }
    };
    Fate { bytes, begins, last, taken: injector.taken(), counts: injector.counts().collect() }
}

/// Everything that can happen to bytes, beginning at odd offsets.
const TO_BYTES: &[&[&str]] = &[
    &["delay=50ms..80ms"],
    &["delay=50ms..80ms,after=100 delay=10ms"],
    &["corrupt=1:10,after=33"],
    &["rate=1K", "delay=1ms..5ms,after=7"],
    &["cut=3,after=5 cut=64"],
    &["stall=2s,after=123", "corrupt=1:5"],
    &["close,after=300", "delay=1ms..100ms", "cut=7"],
    &["reset,after=1", "corrupt=1:2"],
    &["cut=10 delay=1ms..9ms corrupt=1:3 rate=9K stall=1s,after=200"],
];

proptest! {
    /// The reads of a stream are a matter of chance, so no plan may depend on them.
    #[test]
    fn what_happens_to_bytes_is_a_matter_of_their_offsets_alone(
        which in 0..TO_BYTES.len(),
        data in proptest::collection::vec(any::<u8>(), 0..1000),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..30),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len() + 1)).collect();
        cuts.sort_unstable();
        let (whole, pieces) = (fate(TO_BYTES[which], &data, &[]), fate(TO_BYTES[which], &data, &cuts));
        // With a rate, a piece is due when its last byte is.
        let tolerance = Duration::from_millis(if TO_BYTES[which].concat().contains("rate") { 50 } else { 0 });
        prop_assert_eq!(whole.bytes.len(), pieces.bytes.len());
        for ((byte, due), (other, then)) in whole.bytes.iter().zip(&pieces.bytes) {
            prop_assert!(byte == other && due.abs_diff(*then) <= tolerance, "{due:?} {then:?}");
        }
        prop_assert_eq!(&whole.counts, &pieces.counts);
        prop_assert_eq!((&whole.last, whole.taken), (&pieces.last, pieces.taken));
        let missing: Vec<_> = whole.begins.iter().filter(|begin| !pieces.begins.contains(begin)).collect();
        prop_assert!(missing.is_empty(), "no segment begins at {missing:?}");
    }
}

#[test]
fn bytes_that_are_due_together_leave_together() {
    let even = fate(&["delay=50ms"], &[1; 1000], &[]);
    assert_eq!((even.begins, even.counts), (vec![0], [("delay", 1000)].into()));
    let uneven = fate(&["delay=50ms..80ms"], &[1; 64_000], &[]);
    assert!((2..30).contains(&uneven.begins.len()), "{:?}", uneven.begins);
    assert!(uneven.begins.iter().all(|begin| begin % 64 == 0), "{:?}", uneven.begins);
    let late: Vec<_> = uneven.bytes.iter().map(|(_, due)| due.as_millis()).collect();
    assert!(late.is_sorted() && late[0] >= 50 && late[63_999] <= 80);
}

#[test]
fn what_is_counted_is_what_happened() {
    let counts = |specs: &[&str], length| {
        let fate = fate(specs, &vec![0; length], &[]);
        (fate.taken, fate.counts.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(counts(&["cut=3"], 8), (8, vec![("cut", 2)]));
    assert_eq!(counts(&["cut=4"], 8), (8, vec![("cut", 1)]));
    assert_eq!(counts(&["rate=1M,after=2"], 8), (8, vec![("rate", 6)]));
    assert_eq!(counts(&["close,after=5"], 8), (5, vec![("close", 1)]));
    assert_eq!(counts(&["stall=1s,after=5 delay=1s,after=6"], 8), (8, vec![("delay", 2), ("stall", 1)]));
}

// ---- specs without a meaning ----

#[test]
fn wrong_specs_say_what_is_wrong() {
    let wrong = |spec: &str| {
        let error = Plan::parse(&[spec]).unwrap_err();
        format!("{error} ({})", error.hint().unwrap_or(""))
    };
    let names = "there are loss, dup, reorder, corrupt, truncate, delay, rate, stall, close, reset, cut";
    assert_eq!(wrong("lose=5%"), format!("there is no fault `lose` ({names})"));
    assert_eq!(wrong("loss"), "`loss` has no amount (such as loss=5%)");
    assert_eq!(wrong("loss=5"), "`loss=5` has no amount (such as loss=5%)");
    assert_eq!(wrong("loss=101%"), "`loss=101%` has no amount (such as loss=5%)");
    assert_eq!(wrong("corrupt=1:0"), "`corrupt=1:0` has no amount (such as corrupt=1:1000)");
    assert_eq!(wrong("delay=80ms..50ms"), "`delay=80ms..50ms` has no amount (such as delay=50ms or delay=50ms..80ms)");
    assert_eq!(wrong("delay=99999999h"), "`delay=99999999h` has no amount (such as delay=50ms or delay=50ms..80ms)");
    assert_eq!(Plan::parse(&["delay=50..80ms"]), Plan::parse(&["delay=50ms..80ms"]));
    assert!(wrong("delay=50..80").starts_with("`delay=50..80` has no amount"));
    assert!(wrong("delay=50").starts_with("`delay=50` has no amount"), "of what?");
    assert!(wrong("stall=2").starts_with("`stall=2` has no amount"));
    assert_eq!(wrong("rate=0"), "`rate=0` has no amount (such as rate=1M, in bytes a second)");
    assert_eq!(wrong("stall"), "`stall` has no amount (such as stall=2s)");
    assert_eq!(wrong("close=5"), "`close=5`: close takes no value (close,after=10)");
    assert_eq!(
        wrong("dup=1%,gap=3"),
        "`gap=3` has no meaning in `dup=1%,gap=3` (after=N lets N messages or bytes pass first; reorder takes gap=N; each once)"
    );
    assert_eq!(
        wrong("loss=1%,dup=2%"),
        "`dup=2%` has no meaning in `loss=1%,dup=2%` (separate two faults with a blank)"
    );
    assert!(wrong("stall=1s,after=1,after=2").starts_with("`after=2` has no meaning in "));
    assert_eq!(wrong("reorder=1%,gap=x"), "`gap=x` is not a number (such as gap=3)");
    assert_eq!(
        wrong("c2c:loss=1%"),
        "`c2c:` in `c2c:loss=1%` is not a direction (c2s: is to the server, s2c: is back, neither is both)"
    );
    let missing = "a fault is missing in `c2s:` (such as loss=5% or c2s:loss=5%, without blanks)";
    assert_eq!(wrong("c2s: loss=1%"), missing);
    assert_eq!(wrong("reset,after=soon"), "`after=soon` is not a number (such as after=10)");
    assert_eq!(wrong(" "), "a fault is missing (such as loss=5%)");
}

#[test]
fn faults_are_for_what_passes() {
    let check = |spec: &str, unit| Plan::parse(&[spec]).unwrap().check(Role::Client, unit).map_err(|e| e.to_string());
    assert_eq!(check("loss=1%", Unit::Messages), Ok(()));
    assert_eq!(
        check("loss=1%", Unit::Bytes),
        Err("loss is for messages, and what the client says are bytes without boundaries".into())
    );
    assert_eq!(check("s2c:loss=1%", Unit::Bytes), Ok(()), "the other direction's");
    assert_eq!(check("cut=1", Unit::Messages), Err("cut is for bytes, and what the client says are messages".into()));
}
