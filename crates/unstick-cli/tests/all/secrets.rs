//! Tests secrets in a file: they are sent, and no other user sees them.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::io::Read;

use crate::rig::{Peer, listener, temporary, unstick};

/// The request that a server gets, up to the empty line.
fn request(peer: &Peer) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        peer.stream().read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn header_lines_and_a_proxy_from_files() {
    let folder = temporary();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("@{}", path.display())
    };
    let (server, address) = listener();
    let headers = file("headers", "Authorization: Bearer s3cret\nX-Who: me\n");
    let _client = unstick(&["connect", &format!("ws://{address}"), "--header", &headers, "--header", "X-Where: here"]);
    let asked = request(&Peer::accept(&server));
    for line in ["Authorization: Bearer s3cret\r\n", "X-Who: me\r\n", "X-Where: here\r\n"] {
        assert!(asked.contains(line), "{asked}");
    }
    let proxy = file("proxy", &format!("# ours\nhttp://me:s3cret@{address}\n"));
    let _client = unstick(&["connect", "tcp://name.test:1", "--proxy", &proxy]);
    let asked = request(&Peer::accept(&server));
    assert!(asked.to_ascii_lowercase().contains("proxy-authorization: basic bwu6cznjcmv0\r\n"), "{asked}");
}

#[test]
fn no_error_repeats_a_secret() {
    let folder = temporary();
    let path = folder.path().join("wrong");
    std::fs::write(&path, "Bearer s3cret\n").unwrap();
    let file = format!("@{}", path.display());
    for arguments in [
        &["ws://:1", "--header", "Bearer s3cret"][..],
        &["ws://:1", "--header", "No Name: s3cret"],
        &["ws://:1", "--header", "Connection: s3cret"],
        &["ws://:1", "--header", &file],
        &["tcp://a.test:1", "--proxy", "http://me:s3cret@"],
        &["tcp://a.test:1", "--proxy", "ftp://me:s3cret@host:1"],
        &["tcp://a.test:1", "--proxy", &file],
        &["tcp://a.test:1", "-v", "--proxy", "socks5://me:s3cret@127.0.0.1:1"],
    ] {
        let mut process = unstick(&[&["connect"], arguments].concat());
        let said = process.errors() + &process.rest();
        assert!(!said.contains("s3cret") && !said.is_empty(), "{said}");
        assert_ne!(process.code(), 0);
    }
}
