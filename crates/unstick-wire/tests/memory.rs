//! Memory follows what has arrived, never what a header announced. An allocator counts it, so this is a separate binary with a
//! single test, and nothing else allocates meanwhile.
#![allow(unsafe_code)] // An allocator cannot be written without; the crate itself forbids it.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use unstick_wire::{Decoder, Framing};

/// The system's allocator, with a count of the allocated bytes and of their maximum so far.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn count(more: usize) {
    MOST.fetch_max(NOW.fetch_add(more, Relaxed) + more, Relaxed);
}

// SAFETY: every call is passed on to the system's allocator unchanged, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`, and `at` came from the same allocator.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes that were allocated at any time while `work` ran, beyond those before.
fn most(work: impl FnOnce()) -> usize {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    work();
    MOST.load(Relaxed) - before
}

const MIB: usize = 1 << 20;

/// Headers that announce 16 MiB, the largest message that is taken.
const ANNOUNCED: &[(&str, &[u8])] = &[
    ("u32be", b"\x01\0\0\0"),
    ("u32le", b"\0\0\0\x01"),
    ("u64be", b"\0\0\0\0\x01\0\0\0"),
    ("struct:>I", b"\x01\0\0\0"),
    ("length:off=1,width=4,adj=4", b"Q\0\xff\xff\xf7"),
    ("varint", b"\x80\x80\x80\x08"),
    ("ber", b"\x30\x83\xff\xff\xfb"),
    ("ascii:10", b"16777216  "),
    ("hex:8", b"01000000"),
    ("decimal:20", b"16777216\n"),
    ("netstring", b"16777216:"),
    ("octet-count", b"16777216 "),
    ("headers", b"Content-Length: 16777216\r\n\r\n"),
    ("fixed:16M", b"four"),
    ("between:02:03", b"\x02abc"),
    ("slip", b"abcd"),
    ("cobs", b"\xffabc"),
    ("json", b"[[[["),
    ("line", b"four"),
];

/// A thousand peers announce 16 MiB each, and send nothing more.
fn announcements() {
    for (spec, header) in ANNOUNCED {
        let framing = Framing::parse(spec).unwrap();
        let peak = most(|| {
            let decoders: Vec<Decoder> = (0..1000)
                .map(|_| {
                    let mut decoder = framing.decoder();
                    decoder.feed(header);
                    assert!(decoder.next_bytes().unwrap().is_none(), "{spec}");
                    assert_eq!(decoder.pending(), *header, "{spec}: it waits for the rest");
                    decoder
                })
                .collect();
            assert_eq!(decoders.len(), 1000);
        });
        assert!(peak < 2 * MIB, "{spec}: 1,000 decoders have {peak} bytes after {} each", header.len());
    }
}

/// The decoder keeps nothing that belongs to no message: blanks between frames, and skipped frames.
fn nothing_to_keep() {
    let endless: &[(&str, &[u8], u8)] = &[
        ("json", b"", b' '),
        ("slip", b"", 0xc0),
        ("cobs", b"", 0),
        ("u64be,max=1K,oversize=discard", b"\0\0\x01\0\0\0\0\0", b'x'),
        ("line,max=1K,oversize=discard", b"", b'x'),
        ("json,max=1K,oversize=discard", b"[\"", b'x'),
        ("json", b"", b'['), // which fails, and then keeps nothing
        ("slip,max=1K,oversize=discard", b"", b'x'),
        ("netstring,max=1K,oversize=discard", b"99999999999:", b'x'),
    ];
    for (spec, start, filling) in endless {
        let framing = Framing::parse(spec).unwrap();
        let segment = vec![*filling; 64 << 10];
        let peak = most(|| {
            let mut decoder = framing.decoder();
            decoder.feed(start);
            for _ in 0..256 {
                decoder.feed(&segment);
                while let Ok(Some(_)) = decoder.next() {}
            }
        });
        assert!(peak < MIB, "{spec}: {peak} bytes kept of 16 MiB that belong to no message");
    }
}

/// A decoder's memory follows what has arrived of a large message, and can be freed after it.
fn a_large_message() {
    let framing = Framing::parse("u32be").unwrap();
    let mut decoder = framing.decoder();
    let segment = vec![0; 64 << 10];
    let peak = most(|| {
        decoder.feed(&(16 * MIB as u32).to_be_bytes());
        for _ in 0..256 {
            assert_eq!(decoder.next(), Ok(None));
            decoder.feed(&segment);
        }
        assert_eq!(decoder.next().unwrap().map(<[u8]>::len), Some(16 * MIB));
    });
    assert!(peak < 49 * MIB, "{peak} bytes for a message of 16 MiB: growing a buffer takes its old and its new size");
    let before = NOW.load(Relaxed);
    decoder.shrink();
    assert!(before - NOW.load(Relaxed) >= 16 * MIB, "the buffer was not given back");
}

/// A small message that is kept for long keeps a short copy alive, not the read in which it arrived.
fn small_messages_that_are_kept() {
    let framing = Framing::parse("u32be").unwrap();
    let mut decoder = framing.decoder();
    let read = [&[0, 0, 0, 64][..], &[b'x'; 64]].concat().repeat(900);
    let mut kept = Vec::with_capacity(1000);
    let peak = most(|| {
        for _ in 0..1000 {
            decoder.feed(&read);
            kept.push(decoder.next_bytes().unwrap().unwrap());
            while decoder.next_bytes().unwrap().is_some() {}
        }
    });
    assert!(kept.iter().all(|message| message[..] == [b'x'; 64]));
    assert!(peak < 3 * MIB, "{peak} bytes for 1,000 messages of 64 bytes, one of each read of 60 KiB");
}

#[test]
fn memory_follows_what_has_arrived() {
    announcements();
    nothing_to_keep();
    a_large_message();
    small_messages_that_are_kept();
}
