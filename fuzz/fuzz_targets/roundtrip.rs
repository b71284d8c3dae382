//! Any messages in any framing: each is refused, leaving nothing behind, or comes back as it was.
#![no_main]

use unstick_fuzz::{decode, framing, messages};

libfuzzer_sys::fuzz_target!(|input: (u8, u8, &[u8])| {
    let (choice, seed, rest) = input;
    let framing = framing(choice);
    let mut encoder = framing.encoder().expect("the specs here can be sent");
    let (mut stream, mut sent) = (Vec::new(), Vec::new());
    for message in messages(rest) {
        let before = stream.len();
        match encoder.encode(message, &mut stream) {
            Ok(()) => sent.push(message.to_vec()),
            Err(error) => assert_eq!(stream.len(), before, "{framing}: {error}, and something was written"),
        }
    }
    let told = decode(&framing, &stream, Some(seed));
    assert_eq!(told.messages.concat(), sent.concat(), "{framing}: {told:?}");
    assert!(!framing.keeps_boundaries() || told.messages == sent, "{framing}: {told:?} for {sent:?}");
    assert_eq!((told.error, told.discarded), (None, 0), "{framing}");
});
