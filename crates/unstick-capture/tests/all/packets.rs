//! From packets to connections: link layers, IP, fragments, which side is the client, and how connections end.

use unstick_capture::{Captured, Connections, Event, Filter, limits};
use unstick_wire::Role::{Client, Server};

use crate::build::{
    ACK, CLIENT, ETHERNET, FIN, RST, SERVER, SYN, ethernet, ipv4, ipv6, of_ethernet, said, tcp, told, udp,
};

#[test]
fn a_connection_from_its_handshake_to_its_end() {
    let seen = of_ethernet(&[
        said(Client, 100, 0, SYN, b""),
        said(Server, 700, 101, SYN | ACK, b""),
        said(Client, 101, 701, ACK, b"ask"),
        said(Server, 701, 104, ACK, b"answer"),
        said(Client, 104, 707, FIN | ACK, b""),
        said(Server, 707, 105, FIN | ACK, b"!"),
        said(Client, 105, 709, ACK, b""),
    ]);
    let expected = [
        "1 tcp 10.0.0.1:50000 > 10.0.0.2:9092",
        "1 client: ask",
        "1 server: answer",
        "1 client ends",
        "1 server: !",
        "1 server ends",
        "1 closed: Ended",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_reset_and_the_same_ports_again() {
    let seen = of_ethernet(&[
        said(Client, 100, 0, SYN, b""),
        said(Client, 100, 0, SYN, b""),
        said(Server, 700, 101, RST | ACK, b""),
        said(Server, 700, 101, RST | ACK, b""),
        said(Client, 900, 0, SYN, b""),
        said(Client, 5000, 0, SYN, b""),
    ]);
    let open = "tcp 10.0.0.1:50000 > 10.0.0.2:9092";
    let expected = [
        format!("1 {open}"),
        "1 closed: reset by the server".to_owned(),
        format!("2 {open}"),
        "2 closed: Replaced".to_owned(),
        format!("3 {open}"),
        "3 closed: CaptureEnded".to_owned(),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_capture_that_starts_in_the_middle_and_lacks_packets() {
    let seen = of_ethernet(&[
        said(Server, 701, 104, ACK, b""),
        said(Server, 701, 104, ACK, b"ans"),
        said(Client, 104, 704, ACK, b"ask"),
        said(Server, 706, 107, ACK, b"r"),
        said(Client, 110, 707, FIN | ACK, b""),
    ]);
    let expected = [
        "1 tcp 10.0.0.1:50000 > 10.0.0.2:9092 from the middle",
        "1 server: ans",
        "1 client: ask",
        "1 client lacks 3",
        "1 client ends",
        "1 server lacks 2",
        "1 server: r",
        "1 closed: CaptureEnded",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn the_answer_to_a_syn_tells_the_client_too() {
    let seen = of_ethernet(&[
        said(Server, 700, 101, SYN | ACK, b""),
        said(Client, 104, 701, ACK, b"second"),
        said(Client, 101, 701, ACK, b"one"),
        said(Client, 100, 0, SYN, b""),
    ]);
    assert_eq!(seen[..3], ["1 tcp 10.0.0.1:50000 > 10.0.0.2:9092", "1 client: one", "1 client: second"]);
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn every_link_layer_leads_to_the_same_segment() {
    let segment = tcp(CLIENT.1, SERVER.1, 5, 0, ACK, b"hello");
    let four = ipv4(CLIENT.0, SERVER.0, 6, 0, &segment);
    let tagged = [&[0, 5][..], &0x0800_u16.to_be_bytes(), &four].concat();
    let twice = [&[0, 5][..], &0x8100_u16.to_be_bytes(), &tagged].concat();
    let mut sll2 = vec![0x08, 0];
    sll2.resize(20, 0);
    let frames = [
        (ETHERNET, ethernet(0x0800, &four)),
        (ETHERNET, ethernet(0x8100, &tagged)),
        (ETHERNET, ethernet(0x88a8, &twice)),
        (0, [&2_u32.to_le_bytes()[..], &four].concat()),
        (108, [&2_u32.to_be_bytes()[..], &four].concat()),
        (101, four.clone()),
        (228, four.clone()),
        (113, [&[0; 14][..], &[0x08, 0], &four].concat()),
        (276, [&sll2[..], &four].concat()),
    ];
    for frame in frames {
        let (seen, connections) = told(std::slice::from_ref(&frame), Filter::default());
        assert_eq!(seen[1], "1 client: hello", "link {}", frame.0);
        assert_eq!(connections.left_out().other, 0);
    }
    let six = ipv6(1, 2, 6, &segment);
    // Hop by hop and destination options in front.
    let options = [&[60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0][..], &segment].concat();
    // An authentication header counts its length in units of 4 bytes.
    let authenticated = [&[6, 4][..], &[0; 22], &segment].concat();
    let frames = [
        (ETHERNET, ethernet(0x86dd, &six)),
        (229, six),
        (101, ipv6(1, 2, 0, &options)),
        (229, ipv6(1, 2, 51, &authenticated)),
    ];
    for frame in frames {
        assert_eq!(told(&[frame], Filter::default()).0[1], "1 client: hello");
    }
}

#[test]
fn headers_before_a_segment_are_bounded() {
    let segment = tcp(CLIENT.1, SERVER.1, 5, 0, ACK, b"hello");
    let tagged = |tags: usize| {
        let mut packet = ipv4(CLIENT.0, SERVER.0, 6, 0, &segment);
        let mut kind = 0x0800_u16;
        for _ in 0..tags {
            packet = [&[0, 5][..], &kind.to_be_bytes(), &packet].concat();
            kind = 0x8100;
        }
        (ETHERNET, ethernet(kind, &packet))
    };
    let extended = |headers: usize| {
        let mut payload = segment.clone();
        let mut next = 6;
        for _ in 0..headers {
            payload = [&[next, 0, 1, 4, 0, 0, 0, 0][..], &payload].concat();
            next = 60;
        }
        (229, ipv6(1, 2, next, &payload))
    };
    let most = limits::MAX_HEADERS;
    // One of the headers that count is the last ethertype.
    for (frame, is_read) in
        [(tagged(most - 1), true), (tagged(most), false), (extended(most), true), (extended(most + 1), false)]
    {
        let (seen, connections) = told(&[frame], Filter::default());
        assert_eq!((!seen.is_empty(), connections.left_out().other), (is_read, u64::from(!is_read)));
    }
}

#[test]
fn padding_of_short_frames_and_cut_packets() {
    let short = said(Client, 1, 0, ACK, b"x");
    let padded = [&short[..], &[0; 20]].concat();
    let cut = said(Client, 2, 0, ACK, b"abcdef");
    let seen = of_ethernet(&[padded, cut[..cut.len() - 4].to_vec(), said(Client, 8, 0, ACK, b"g")]);
    assert_eq!(seen[1..5], ["1 client: x", "1 client: ab", "1 client lacks 4", "1 client: g"]);
}

#[test]
fn datagrams_are_messages_and_their_fragments_are_put_together() {
    let datagram = udp(40_000, 53, b"0123456789abcdefghijklmn");
    let part = |from: usize, to: usize| {
        let more = if to < datagram.len() { 0x2000 } else { 0 };
        ethernet(0x0800, &ipv4(CLIENT.0, SERVER.0, 17, more | (from / 8) as u16, &datagram[from..to]))
    };
    let seen = of_ethernet(&[part(16, 32), part(0, 16), part(0, 16)]);
    let expected =
        ["1 udp 10.0.0.1:40000 > 10.0.0.2:53", "1 client: 0123456789abcdefghijklmn of 24", "1 closed: CaptureEnded"];
    assert_eq!(seen, expected);
    // Parts that lie over each other: the first counts.
    let over = ethernet(0x0800, &ipv4(CLIENT.0, SERVER.0, 17, 0x2001, &[b'x'; 16]));
    let seen = of_ethernet(&[part(0, 16), over, part(24, 32)]);
    assert_eq!(seen[1], "1 client: 01234567xxxxxxxxghijklmn of 24");
    let six = |place: u16, payload: &[u8]| {
        let header = [&[17, 0][..], &place.to_be_bytes(), &[0, 0, 0, 9]].concat();
        (229, ipv6(1, 2, 44, &[&header, payload].concat()))
    };
    let (seen, _) = told(&[six(1, &datagram[..16]), six(16, &datagram[16..])], Filter::default());
    assert_eq!(seen[1], "1 client: 0123456789abcdefghijklmn of 24");
}

#[test]
fn fragments_that_lack_others_are_bounded_and_counted() {
    let packets: Vec<_> = (0..limits::MAX_FRAGMENTED as u32 + 10)
        .map(|id| {
            let header = [&[17, 0, 0, 1][..], &id.to_be_bytes()].concat();
            (229, ipv6(1, 2, 44, &[&header[..], &[0; 8]].concat()))
        })
        .collect();
    let (seen, connections) = told(&packets, Filter::default());
    assert_eq!((seen.len(), connections.left_out().fragmented), (0, packets.len() as u64));
    // The oldest are given up: their other half comes too late.
    let halves = |id: u32| {
        let datagram = udp(40_000, 53, b"01234567");
        [(1, &datagram[..8]), (8, &datagram[8..])].map(|(place, half)| {
            let header = [&[17, 0, 0, place][..], &id.to_be_bytes()].concat();
            (229, ipv6(1, 2, 44, &[&header, half].concat()))
        })
    };
    let first: Vec<_> = (0..=limits::MAX_FRAGMENTED as u32).map(|id| halves(id)[0].clone()).collect();
    let completed = |id: u32| told(&[&first[..], &halves(id)[1..]].concat(), Filter::default()).0.len();
    assert_eq!((completed(0), completed(1)), (0, 3));
}

#[test]
fn a_late_fragment_is_of_another_datagram() {
    let datagram = udp(40_000, 53, b"0123456789abcdef");
    let part = |place: u16, bytes: &[u8]| ethernet(0x0800, &ipv4(CLIENT.0, SERVER.0, 17, place, bytes));
    let datagrams = |later: u64| {
        let (mut connections, mut seen) = (Connections::default(), 0);
        for (frame, time) in [(part(0x2000, &datagram[..16]), 5), (part(2, &datagram[16..]), 5 + later)] {
            let captured = Captured::new(ETHERNET, &frame, frame.len() as u32, Some(time));
            connections.packet(&captured, &mut |event| seen += u32::from(matches!(event, Event::Datagram { .. })));
        }
        (seen, connections.left_out().fragmented)
    };
    assert_eq!(datagrams(limits::MAX_FRAGMENT_AGE), (1, 0));
    assert_eq!(datagrams(limits::MAX_FRAGMENT_AGE + 1), (0, 2));
}

#[test]
fn the_number_that_a_reset_acknowledges_means_nothing() {
    let seen = of_ethernet(&[
        said(Client, 100, 0, SYN, b""),
        said(Server, 700, 101, SYN | ACK, b""),
        said(Client, 101, 701, ACK, b"ask"),
        said(Server, 701, 9000, RST | ACK, b""),
    ]);
    assert_eq!(seen[1..], ["1 client: ask", "1 closed: reset by the server"]);
}

#[test]
fn a_filter_takes_ports_and_hosts_and_tells_the_server() {
    let one = said(Client, 1, 0, ACK, b"one");
    let other = ethernet(0x0800, &ipv4([10, 0, 0, 9], SERVER.0, 6, 0, &tcp(7000, 80, 1, 0, ACK, b"other")));
    let packets = [(ETHERNET, one), (ETHERNET, other)];
    let filtered = |ports: &[u16], hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        told(&packets, Filter { ports: ports.to_vec(), hosts }).0
    };
    assert_eq!(filtered(&[], &[]).iter().filter(|line| line.contains("tcp")).count(), 2);
    assert_eq!(filtered(&[9092], &[])[0], "1 tcp 10.0.0.1:50000 > 10.0.0.2:9092 from the middle");
    assert_eq!(filtered(&[50_000], &[])[0], "1 tcp 10.0.0.2:9092 > 10.0.0.1:50000 from the middle");
    assert_eq!(filtered(&[], &["10.0.0.9"])[1], "1 client: other");
    assert_eq!(filtered(&[9092], &["10.0.0.9"]), Vec::<String>::new());
}

#[test]
fn packets_of_other_kinds_are_counted() {
    let arp = ethernet(0x0806, &[0; 28]);
    let icmp = ethernet(0x0800, &ipv4(CLIENT.0, SERVER.0, 1, 0, b"ping"));
    let (seen, connections) = told(&[(ETHERNET, arp), (ETHERNET, icmp), (127, vec![0; 9])], Filter::default());
    let left_out = connections.left_out();
    assert_eq!((seen.len(), left_out.other, left_out.unknown_link, left_out.link), (0, 2, 1, 127));
}
