//! Features of Unix sockets: files, stale and live ones, permissions, names, peers without a name.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketType, connect as system_connect, send, socket};
use unstick::limits::LARGEST_PACKET;
use unstick::{Listener, Options, connect, listen};

use crate::suite::{framing, has_room, run};

const SCHEMES: [&str; 3] = ["unix", "unix-dgram", "unix-seqpacket"];

/// A directory for this test only, removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("unstick-{test}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn try_listen(scheme: &str, path: &Path, options: &Options) -> unstick::Result<Listener> {
    let address = format!("{scheme}:{}", path.display()).parse().unwrap();
    listen(&address, Some(&framing("line")), options).await
}

#[test]
fn a_stale_file_is_removed_and_ours_goes_with_us() {
    let folder = Folder::new("stale");
    run(async {
        for scheme in SCHEMES {
            let path = folder.path(scheme);
            // A listener of any kind that has gone without removing its file.
            drop(UnixListener::bind(&path).unwrap());
            let listener = try_listen(scheme, &path, &Options::default()).await.unwrap();
            assert!(path.exists());
            drop(listener);
            while path.exists() {
                tokio::task::yield_now().await; // A task holds the socket of datagrams.
            }
        }
    });
}

#[test]
fn a_live_socket_is_left_alone_and_is_not_troubled() {
    let folder = Folder::new("live");
    run(async {
        for scheme in SCHEMES {
            let path = folder.path(scheme);
            let live = UnixListener::bind(&path).unwrap();
            let error = try_listen(scheme, &path, &Options::default()).await.err().unwrap();
            assert!(error.is_unreachable() && error.hint() == Some("another program listens there"), "{error}");
            live.set_nonblocking(true).unwrap();
            let nobody = live.accept().unwrap_err();
            assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock, "asking was seen as a client");
            UnixStream::connect(&path).expect("it is still there");
        }
        let path = folder.path("of-datagrams");
        let _live = UnixDatagram::bind(&path).unwrap();
        assert!(try_listen("unix-dgram", &path, &Options::default()).await.is_err());
        assert!(path.exists());
    });
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = Folder::new("regular");
    run(async {
        for scheme in SCHEMES {
            let path = folder.path(scheme);
            std::fs::write(&path, "somebody's work").unwrap();
            let error = try_listen(scheme, &path, &Options::default()).await.err().unwrap();
            assert!(error.hint().unwrap().ends_with("is a regular file: it is left as it is"), "{error}");
            let address = format!("{scheme}:{}", path.display()).parse().unwrap();
            let error = connect(&address, Some(&framing("line")), &Options::default()).await.unwrap_err();
            assert!(error.hint().unwrap().ends_with("is a regular file"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's work");
        }
    });
}

#[test]
fn a_file_that_has_taken_our_place_stays() {
    let folder = Folder::new("replaced");
    run(async {
        let path = folder.path("socket");
        let first = try_listen("unix", &path, &Options::default()).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = try_listen("unix", &path, &Options::default()).await.unwrap();
        drop(first);
        UnixStream::connect(&path).expect("the second still listens");
        drop(second);
    });
}

#[test]
fn permissions_are_as_asked_whatever_umask_says() {
    let folder = Folder::new("mode");
    run(async {
        for (scheme, mode) in SCHEMES.into_iter().zip([0o600, 0o777, 0o660]) {
            let path = folder.path(scheme);
            let mut options = Options::default();
            options.mode = Some(mode);
            let _listener = try_listen(scheme, &path, &options).await.unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
        let mut options = Options::default();
        options.mode = Some(0o600);
        let nameless = "unix:@unstick-has-no-file".parse().unwrap();
        let error = listen(&nameless, Some(&framing("line")), &options).await.err().unwrap();
        assert!(error.is_usage(), "{error}");
    });
}

#[test]
fn a_wrong_path_says_what_is_wrong() {
    let folder = Folder::new("wrong");
    run(async {
        let error = try_listen("unix", &folder.path("none/socket"), &Options::default()).await.err().unwrap();
        assert!(error.is_unreachable() && error.hint().unwrap().starts_with("there is no directory "), "{error}");
        let error = try_listen("unix", &folder.path(&"x".repeat(200)), &Options::default()).await.err().unwrap();
        assert!(error.is_usage() && error.to_string().ends_with("bytes is too long"), "{error}");
        let path = folder.path("dgram");
        let _listener = try_listen("unix-dgram", &path, &Options::default()).await.unwrap();
        let stream = format!("unix:{}", path.display()).parse().unwrap();
        let error = connect(&stream, Some(&framing("line")), &Options::default()).await.unwrap_err();
        assert!(error.hint().unwrap().starts_with("a socket of another kind is there"), "{error}");
    });
}

#[test]
fn abstract_names_need_no_file() {
    run(async {
        for scheme in SCHEMES {
            let address = format!("{scheme}:@unstick-test-{}", std::process::id()).parse().unwrap();
            let mut listener = listen(&address, Some(&framing("line")), &Options::default()).await.unwrap();
            let near = connect(&address, Some(&framing("line")), &Options::default()).await.unwrap();
            near.send(b"hello").await.unwrap();
            let mut far = listener.accept().await.unwrap();
            assert_eq!(far.recv().await.unwrap().unwrap(), &b"hello"[..], "{scheme}");
            assert!(far.addrs().local.starts_with("@unstick-test-"));
            assert!(listen(&address, Some(&framing("line")), &Options::default()).await.is_err());
        }
    });
}

#[test]
fn connecting_is_tried_again_until_somebody_listens() {
    let folder = Folder::new("retry");
    run(async {
        let path = folder.path("socket");
        let mut options = Options::default();
        options.retry = Some(Duration::from_secs(30));
        let address = format!("unix-seqpacket:{}", path.display()).parse().unwrap();
        let connecting = connect(&address, None, &options);
        let listening = async {
            // The first attempt has failed by then.
            crate::suite::polls(10).await;
            try_listen("unix-seqpacket", &path, &Options::default()).await.unwrap()
        };
        let (connected, _listener) = tokio::join!(connecting, listening);
        connected.unwrap();
    });
}

#[test]
fn who_has_no_name_is_heard_and_told_apart_from_those_who_can_be_answered() {
    let folder = Folder::new("nameless");
    run(async {
        let path = folder.path("socket");
        let mut listener = try_listen("unix-dgram", &path, &Options::default()).await.unwrap();
        let nameless = UnixDatagram::unbound().unwrap();
        nameless.send_to(b"guess who", &path).unwrap();
        let mut link = listener.accept().await.unwrap();
        assert_eq!(link.addrs().remote, "a peer without a name");
        assert_eq!(link.recv().await.unwrap().unwrap(), &b"guess who"[..]);
        let error = link.send(b"who?").await.unwrap_err();
        assert!(error.to_string().contains("no name of its own, so it cannot be answered"), "{error}");

        let named = UnixDatagram::bind(folder.path("client")).unwrap();
        named.send_to(b"it is me", &path).unwrap();
        let mut link = listener.accept().await.unwrap();
        assert_eq!(link.addrs().remote, folder.path("client").display().to_string());
        assert_eq!(link.recv().await.unwrap().unwrap(), &b"it is me"[..]);
        drop(named);
        // The next answer reports it, and the session is over.
        assert!(link.send(b"are you there?").await.is_err());
        assert_eq!(link.recv().await.unwrap(), None);
    });
}

#[test]
fn a_datagram_session_ends_when_it_is_idle() {
    let folder = Folder::new("idle");
    run(async {
        let path = folder.path("socket");
        let mut options = Options::default();
        options.udp.session_idle = Duration::from_millis(100);
        options.udp.max_sessions = 1;
        let mut listener = try_listen("unix-dgram", &path, &options).await.unwrap();
        let (first, second) =
            (UnixDatagram::bind(folder.path("1")).unwrap(), UnixDatagram::bind(folder.path("2")).unwrap());
        first.send_to(b"first", &path).unwrap();
        let mut link = listener.accept().await.unwrap();
        second.send_to(b"too many", &path).unwrap();
        assert_eq!(link.recv().await.unwrap().unwrap(), &b"first"[..]);
        assert_eq!(link.recv().await.unwrap(), None, "it ends by itself");
        assert_eq!(listener.refused(), 1);
        drop(link);
        while listener.refused() == 1 {
            second.send_to(b"again", &path).unwrap();
            tokio::select! {
                link = listener.accept() => { link.unwrap(); break }
                () = crate::suite::polls(5) => {}
            }
        }
    });
}

/// LARGEST_PACKET: a larger packet arrives cut short, and is counted.
#[test]
fn a_packet_that_is_too_large_is_cut_short_and_counted() {
    let folder = Folder::new("large");
    run(async {
        for (scheme, kind) in [("unix-dgram", SocketType::DGRAM), ("unix-seqpacket", SocketType::SEQPACKET)] {
            let path = folder.path(scheme);
            let mut listener = try_listen(scheme, &path, &Options::default()).await.unwrap();
            let peer = socket(AddressFamily::UNIX, kind, None).unwrap();
            rustix::net::sockopt::set_socket_send_buffer_size(&peer, 2 * LARGEST_PACKET).unwrap();
            system_connect(&peer, &SocketAddrUnix::new(&path).unwrap()).unwrap();
            send(&peer, &vec![7; LARGEST_PACKET + 1000], SendFlags::empty()).unwrap();
            send(&peer, b"whole", SendFlags::empty()).unwrap();
            let (_, mut receiver) = listener.accept().await.unwrap().split();
            assert_eq!(receiver.recv().await.unwrap().unwrap().len(), LARGEST_PACKET, "{scheme}");
            assert_eq!(receiver.recv().await.unwrap().unwrap(), &b"whole"[..]);
            assert_eq!(receiver.truncated(), 1);
        }
    });
}

#[test]
fn a_packet_that_cannot_be_sent_is_told_and_the_link_goes_on() {
    let folder = Folder::new("unsendable");
    run(async {
        for scheme in ["unix-dgram", "unix-seqpacket"] {
            let path = folder.path(scheme);
            let mut listener = try_listen(scheme, &path, &Options::default()).await.unwrap();
            let address = format!("{scheme}:{}", path.display()).parse().unwrap();
            let near = connect(&address, None, &Options::default()).await.unwrap();
            let error = near.send(&vec![0; 1 << 20]).await.unwrap_err();
            assert!(error.is_message_rejected() && error.hint().unwrap().contains("send buffer"), "{error}");
            near.send(b"smaller").await.unwrap();
            assert_eq!(listener.accept().await.unwrap().recv().await.unwrap().unwrap(), &b"smaller"[..]);
        }
    });
}

/// The end of a connection and an empty message look alike to `recv`.
#[test]
fn an_empty_packet_is_a_message_and_not_the_end() {
    let folder = Folder::new("empty");
    run(async {
        let path = folder.path("socket");
        let mut listener = try_listen("unix-seqpacket", &path, &Options::default()).await.unwrap();
        let address = format!("unix-seqpacket:{}", path.display()).parse().unwrap();
        let near = connect(&address, None, &Options::default()).await.unwrap();
        near.send(b"").await.unwrap();
        near.send(b"more").await.unwrap();
        near.send(b"").await.unwrap();
        drop(near);
        let mut far = listener.accept().await.unwrap();
        for wanted in [&b""[..], b"more", b""] {
            assert_eq!(far.recv().await.unwrap().unwrap(), wanted);
        }
        assert_eq!(far.recv().await.unwrap(), None);
    });
}

#[test]
fn a_peer_that_is_full_is_waited_for_and_holds_up_nobody_else() {
    let folder = Folder::new("full");
    run(async {
        let path = folder.path("socket");
        let mut listener = try_listen("unix-dgram", &path, &Options::default()).await.unwrap();
        let slow = UnixDatagram::bind(folder.path("slow")).unwrap();
        let quick = UnixDatagram::bind(folder.path("quick")).unwrap();
        slow.send_to(b"slow", &path).unwrap();
        let (to_slow, _slow_receiver) = listener.accept().await.unwrap().split();
        quick.send_to(b"quick", &path).unwrap();
        let (to_quick, _quick_receiver) = listener.accept().await.unwrap().split();
        let mut sent = 0_u32;
        while has_room(to_slow.try_send(&sent.to_be_bytes())) {
            sent += 1;
        }
        let last = sent.to_be_bytes();
        let waiting = to_slow.send(&last);
        let others = async {
            to_quick.send(b"you go on").await.unwrap();
            let mut buffer = [0; 64];
            let length = quick.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"you go on");
            for number in 0..sent {
                slow.recv(&mut buffer).unwrap();
                assert_eq!(buffer[..4], number.to_be_bytes());
            }
        };
        let (waited, ()) = tokio::join!(waiting, others);
        waited.unwrap();
    });
}

/// Sessions that nobody accepts end when they are idle, while new names arrive. No more sessions wait than may be open.
#[test]
fn sessions_that_nobody_accepts_do_not_pile_up() {
    let folder = Folder::new("pile");
    run(async {
        let mut options = Options::default();
        options.udp.max_sessions = 3;
        options.udp.session_idle = Duration::from_millis(20);
        let path = folder.path("it");
        let mut listener = try_listen("unix-dgram", &path, &options).await.unwrap();
        let mut names = 0;
        while listener.refused() < 100 {
            let name = folder.path(&format!("peer-{names}"));
            let peer = UnixDatagram::bind(&name).unwrap();
            peer.set_nonblocking(true).unwrap();
            names += usize::from(peer.send_to(b"me too", &path).is_ok());
            std::fs::remove_file(&name).unwrap();
            tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err();
        }
        let mut waited = 0;
        while let Ok(link) = tokio::time::timeout(Duration::from_millis(10), listener.accept()).await {
            drop(link.unwrap());
            waited += 1;
        }
        assert_eq!(waited, 3, "of {names} peers");
    });
}
