//! Any fault specs on any messages: a plan is refused with a reason, or its courses end, keep their counts, do the same again,
//! and to a stream the same however it was read.
#![no_main]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use unstick_fuzz::messages;
use unstick_wire::Role;
use unstick_wire::faults::{FaultInjector, Next, Plan, Unit};

/// What came of a injector: what was delivered, with its mark, and how it ended.
type Came = (Vec<(Vec<u8>, bool)>, Next);

// The first line is the specs, the rest a list of messages.
libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (seed, input) = input;
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let Ok(specs) = std::str::from_utf8(&input[..line]) else { return };
    let plan = match Plan::parse(&[specs]) {
        Ok(plan) => plan,
        Err(error) => return assert!(!error.to_string().is_empty(), "a refusal without a reason"),
    };
    let list = messages(input.get(line + 1..).unwrap_or_default());
    for from in [Role::Client, Role::Server] {
        if plan.check(from, Unit::Messages).is_ok() {
            of_messages(specs, || plan.injector(from, Unit::Messages, seed.into()), &list);
        }
        if plan.check(from, Unit::Bytes).is_ok() {
            of_bytes(specs, || plan.injector(from, Unit::Bytes, seed.into()), &list);
        }
    }
});

fn of_messages(specs: &str, injector: impl Fn() -> FaultInjector, list: &[&[u8]]) {
    let (mut one, mut other) = (injector(), injector());
    let came = run(&mut one, list);
    assert_eq!(came, run(&mut other, list), "{specs}: another time something else happens");
    assert_eq!(counts(&one), counts(&other), "{specs}");
    assert!(!one.is_full(), "{specs}: something is held that nobody gets");
    let (delivered, end) = came;
    let of = |name| counts(&one).get(name).copied().unwrap_or_default();
    // Each fault that doubles may add one, and each that is counted adds one at least.
    let doubling = specs.matches("dup").count() as u64;
    let whole = one.taken() - of("loss");
    let most = whole + of("dup") * doubling.max(1);
    let least = if end == Next::End { whole + of("dup") } else { 0 };
    let count = delivered.len() as u64;
    assert!((least..=most).contains(&count), "{specs}: {count} delivered of {whole}, {:?}", counts(&one));
    assert_eq!(end == Next::Close, of("close") > 0, "{specs}");
    assert_eq!(end == Next::Reset, of("reset") > 0, "{specs}");
    if !["dup", "reorder", "corrupt", "truncate"].iter().any(|name| specs.contains(name)) {
        let mut rest = list.iter().enumerate();
        let in_order =
            |(message, mark): &(Vec<u8>, bool)| rest.any(|(at, sent)| sent == message && *mark == marked(at));
        assert!(delivered.iter().all(in_order), "{specs}: {delivered:?} are not of those that were sent");
    }
}

fn of_bytes(specs: &str, injector: impl Fn() -> FaultInjector, list: &[&[u8]]) {
    let (mut pieces, mut whole) = (injector(), injector());
    let (some, end) = run(&mut pieces, list);
    let stream = list.concat();
    let (all, other_end) = run(&mut whole, &[&stream]);
    let joined = |came: &[(Vec<u8>, bool)]| came.iter().flat_map(|(bytes, _)| bytes.clone()).collect::<Vec<_>>();
    assert_eq!((joined(&some), &end), (joined(&all), &other_end), "{specs}: it matters how they were read");
    assert_eq!(pieces.taken(), whole.taken(), "{specs}");
    assert!(!pieces.is_full() && !whole.is_full(), "{specs}: something is held that nobody gets");
    if end == Next::End {
        assert_eq!(joined(&all).len(), stream.len(), "{specs}: no byte is lost");
    }
}

fn marked(at: usize) -> bool {
    at.is_multiple_of(3)
}

/// All that a injector delivers, time passing as it asks for.
fn run(injector: &mut FaultInjector, list: &[&[u8]]) -> Came {
    let began = Instant::now();
    let mut now = began;
    for (at, message) in list.iter().enumerate() {
        injector.take_marked(message, marked(at), now);
        now += Duration::from_millis(1);
    }
    injector.end(now);
    let mut delivered = Vec::new();
    loop {
        match injector.next(now) {
            Next::Deliver(message) => delivered.push((message.to_vec(), injector.is_marked())),
            Next::Wait(until) => {
                assert!(until > now, "what waits for the past waits for ever");
                now = until;
            }
            Next::Input => panic!("the input has ended"),
            last => return (delivered, last),
        }
    }
}

fn counts(injector: &FaultInjector) -> BTreeMap<&'static str, u64> {
    injector.counts().collect()
}
