//! Any bytes as a capture: no panic, and of each direction no more comes out than the packets hold.
#![no_main]

use std::io::Cursor;

use unstick_capture::{CaptureFile, Connections, Event, Filter};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(mut file) = CaptureFile::open(Cursor::new(input.to_vec())) else { return };
    let mut connections = Connections::new(Filter::default());
    let (mut captured, mut out, mut open) = (0, 0, 0_i64);
    let mut take = |event: Event<'_>| match event {
        Event::Open { .. } => open += 1,
        Event::Close { .. } => {
            open -= 1;
            assert!(open >= 0, "a connection closes twice");
        }
        Event::Bytes { bytes, .. } | Event::Datagram { bytes, .. } => out += bytes.len(),
        _ => {}
    };
    while let Ok(Some(packet)) = file.next_packet() {
        captured += packet.data.len();
        connections.packet(&packet, &mut take);
    }
    connections.finish(&mut take);
    assert_eq!(open, 0, "a connection is never closed");
    assert!(out <= captured, "{out} bytes out of {captured}");
});
