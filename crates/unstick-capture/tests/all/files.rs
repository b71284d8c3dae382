//! Capture files: every kind, both byte orders, times, interfaces, and files that are cut short or malformed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use unstick_capture::{is_capture, limits};

use crate::build::{block, interface, packet, packets, pcap, section};

/// A second in nanoseconds.
const SECOND: u64 = 1_000_000_000;

#[test]
fn pcap_in_both_byte_orders_and_units_of_time() {
    let data = vec![b"one".to_vec(), b"three".to_vec()];
    for little in [true, false] {
        for (nanoseconds, part) in [(true, 5), (false, 5000)] {
            let file = pcap(&data, 101, little, nanoseconds);
            assert!(is_capture(&file));
            let (found, error) = packets(&file);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(found, [(Some(part), 101, data[0].clone()), (Some(SECOND + part), 101, data[1].clone())]);
        }
    }
}

#[test]
fn pcapng_in_both_byte_orders_with_several_interfaces_and_sections() {
    for little in [true, false] {
        let short = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        // Nanoseconds, and 10 seconds that are added.
        let mut options = [&short(9)[..], &short(1), &[9, 0, 0, 0], &short(14), &short(8)].concat();
        options.extend(if little { 10_i64.to_le_bytes() } else { 10_i64.to_be_bytes() });
        let mut file = section(little);
        file.extend(interface(1, &[], little));
        file.extend(interface(101, &options, little));
        file.extend(packet(0, 1_000_002, b"a", little));
        file.extend(block(0x0bad, b"of a kind that is not known", little));
        file.extend(packet(1, 3, b"bcdef", little));
        // The other byte order, where interfaces are counted anew. 2 to the power of -1 seconds.
        let other = !little;
        let half = if other { [9, 0, 1, 0, 0x81, 0, 0, 0] } else { [0, 9, 0, 1, 0x81, 0, 0, 0] };
        file.extend(section(other));
        file.extend(interface(228, &half, other));
        file.extend(packet(0, 3, b"g", other));
        let (found, error) = packets(&file);
        assert!(error.is_none(), "{error:?}");
        let expected = [
            (Some(SECOND + 2000), 1, b"a".to_vec()),
            (Some(10 * SECOND + 3), 101, b"bcdef".to_vec()),
            (Some(3 * SECOND / 2), 228, b"g".to_vec()),
        ];
        assert_eq!(found, expected);
    }
}

#[test]
fn packets_without_a_time_and_of_old_files() {
    let mut file = section(true);
    file.extend(interface(1, &[], true));
    file.extend(block(3, &[&5_u32.to_le_bytes()[..], b"plain"].concat(), true));
    let old =
        [&[0, 0, 0, 0][..], &0_u32.to_le_bytes(), &7_u32.to_le_bytes(), &[3, 0, 0, 0, 3, 0, 0, 0], b"old"].concat();
    file.extend(block(2, &old, true));
    let (found, error) = packets(&file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(found, [(None, 1, b"plain".to_vec()), (Some(7000), 1, b"old".to_vec())]);
}

#[test]
fn compressed_files_are_read_as_they_are() {
    let file = pcap(&[b"one".to_vec()], 1, true, false);
    let mut compressed = GzEncoder::new(Vec::new(), Compression::default());
    compressed.write_all(&file).unwrap();
    let compressed = compressed.finish().unwrap();
    assert!(is_capture(&compressed));
    assert_eq!(packets(&compressed).0, packets(&file).0);
    let (_, error) = packets(&compressed[..compressed.len() - 12]);
    assert!(error.as_ref().is_some_and(unstick_capture::CaptureError::is_truncated), "{error:?}");
}

#[test]
fn a_file_that_is_cut_short_gives_what_is_whole_and_says_so() {
    let plain = pcap(&[b"one".to_vec(), b"two".to_vec()], 1, true, false);
    let mut blocks = section(false);
    blocks.extend(interface(1, &[], false));
    blocks.extend(packet(0, 1, b"one", false));
    blocks.extend(packet(0, 1, b"two", false));
    for file in [plain, blocks] {
        let whole = packets(&file).0;
        for length in 4..file.len() {
            let (found, error) = packets(&file[..length]);
            assert!(whole.starts_with(&found), "{length}");
            assert!(error.as_ref().is_none_or(unstick_capture::CaptureError::is_truncated), "{length}: {error:?}");
        }
    }
}

#[test]
fn what_is_no_capture_and_what_is_malformed_is_named() {
    let error = |file: &[u8]| packets(file).1.expect("an error").to_string();
    assert_eq!(error(b"GET / HTTP/1.1"), "it is neither pcap nor pcapng");
    assert_eq!(error(b""), "it is neither pcap nor pcapng");
    let mut file = pcap(&[], 1, true, false);
    file.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]);
    let most = limits::MAX_PACKET;
    assert_eq!(
        error(&file),
        format!("the capture is malformed at byte 24: a packet of 2147483647 bytes, over the limit of {most}")
    );
    let start = [section(true), interface(1, &[], true)].concat();
    let with = |more: &[u8]| error(&[&start, more].concat());
    assert!(with(&packet(1, 0, b"a", true)).ends_with("a packet of interface 1, which no block describes"));
    assert!(with(&block(6, &[0; 8], true)).ends_with("a block is too short for a packet"));
    assert!(
        with(&[6, 0, 0, 0, 3, 0, 0, 0])
            .ends_with("a block cannot have 3 bytes: it has at least 12, and a multiple of 4")
    );
    let mut unequal = packet(0, 0, b"a", true);
    *unequal.last_mut().unwrap() = 9;
    assert!(with(&unequal).contains(" at its start and "));
    let long = [&[6, 0, 0, 0][..], &(limits::MAX_BLOCK + 16).to_le_bytes()].concat();
    assert!(with(&long).contains("over the limit"), "{}", with(&long));
}

#[test]
fn interfaces_are_bounded() {
    let mut file = section(true);
    for _ in 0..=limits::MAX_INTERFACES {
        file.extend(interface(1, &[], true));
    }
    assert!(packets(&file).1.is_some_and(|error| error.to_string().ends_with("interfaces")));
}
