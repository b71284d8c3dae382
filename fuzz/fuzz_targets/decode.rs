//! Any bytes in any framing: the same messages and the same error, however they are cut.
#![no_main]

use unstick_fuzz::{decode, framing};

libfuzzer_sys::fuzz_target!(|input: (u8, u8, &[u8])| {
    let (choice, seed, stream) = input;
    let framing = framing(choice);
    let whole = decode(&framing, stream, None);
    let cut = decode(&framing, stream, Some(seed));
    assert!(cut.agrees(&whole, &framing), "{framing}: {cut:?} in segments, {whole:?} at once");
});
