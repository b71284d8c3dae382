//! Any bytes from either side of any preset: the same messages however they are cut, and what was read can be written
//! and comes back.
#![no_main]

use unstick_fuzz::{decode, preset_side};

libfuzzer_sys::fuzz_target!(|input: (u16, u8, &[u8])| {
    let (choice, seed, stream) = input;
    let Some((preset, role, framing)) = preset_side(choice) else { return };
    let whole = decode(&framing, stream, None);
    let cut = decode(&framing, stream, Some(seed));
    assert!(cut.agrees(&whole, &framing), "{} of a {role:?}: {cut:?} in segments, {whole:?} at once", preset.name);
    let Ok(mut encoder) = framing.encoder() else { return };
    let mut written = Vec::new();
    for message in &whole.messages {
        // Some messages are read and not written: a last line without its end may have a CR there.
        if encoder.encode(message, &mut written).is_err() {
            return;
        }
    }
    let again = decode(&framing, &written, Some(seed));
    let same = again.messages.concat() == whole.messages.concat() && again.error.is_none();
    assert!(same, "{} of a {role:?}: {again:?} for {:?}", preset.name, whole.messages);
});
