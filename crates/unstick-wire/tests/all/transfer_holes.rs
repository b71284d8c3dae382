//! Holes of sparse files in the transfer protocol: where a sender may send one, and what the list says about them.

use unstick_wire::transfer::{Arrival, Entry, Kind, Message, Reason, SUBTREE};

use crate::transfer::{HASH, bytes, coming, directory, file, piece, takes, told};

#[test]
fn a_hole_stands_for_zeros_wherever_bytes_may_come() {
    let hole = |offset, length| Message::Hole { file: 0, offset, length };
    let whole = SUBTREE as u32;
    let mut receiver = coming(2 * SUBTREE + 9);
    assert!(!takes(&mut receiver, &hole(1, 1)), "not the first");
    assert!(!takes(&mut receiver, &hole(0, 0)) && !takes(&mut receiver, &hole(0, whole + 1)), "of no subtree's length");
    assert!(takes(&mut receiver, &piece(0, 9)));
    assert!(!takes(&mut receiver, &hole(9, whole)), "over the subtree's end");
    let skip = receiver.receive(bytes(&hole(9, whole - 9)));
    assert_eq!(skip, Ok(Arrival::Skip { file: 0, offset: 9, length: whole - 9 }));
    assert!(!takes(&mut receiver, &hole(SUBTREE, 1)), "before the subtree's value");
    assert!(takes(&mut receiver, &Message::Subtree { file: 0, index: 0, value: HASH }));
    assert!(takes(&mut receiver, &hole(SUBTREE, whole)));
    assert!(takes(&mut receiver, &Message::Subtree { file: 0, index: 1, value: HASH }));
    assert!(!takes(&mut receiver, &hole(2 * SUBTREE, 10)), "over the file's end");
    assert!(takes(&mut receiver, &hole(2 * SUBTREE, 9)));
    assert!(takes(&mut receiver, &Message::End { file: 0, size: 2 * SUBTREE + 9, hash: HASH }));
    let mut stream = told(&[Entry { kind: Kind::Stream, ..file("-", 0) }]).unwrap();
    stream.want(0, 0, Vec::new()).unwrap();
    assert!(!takes(&mut stream, &hole(0, 9)), "a stream has none");
    let mut failed = coming(10);
    failed.fail(0, Reason::Full, "").unwrap();
    assert_eq!(failed.receive(bytes(&hole(0, 5))), Ok(Arrival::Nothing));
}

#[test]
fn a_file_stores_no_more_than_its_size() {
    assert!(told(&[Entry { stored: 5, ..file("a", 5) }]).is_ok());
    assert!(told(&[Entry { stored: 6, ..file("a", 5) }]).is_err());
    assert!(told(&[Entry { stored: 1, ..directory("a") }]).is_err());
}
