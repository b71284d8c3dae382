//! Vulnerabilities of other programs that transfer files, by their CVE numbers. unstick has none of them.
//!
//! Not here: what other processes can see (CVE-2023-43620, CVE-2023-43621); the program's tests have that.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::{self, pki_types};
use unstick::service::transfer::{self, Invitation, Tally, Ticket};
use unstick::wire::transfer::{Entry, Kind, Message, Reason};
use unstick::{Link, Options};

use crate::transfers::{STALL, bytes, hello, invitation, receiving, secret, sending, stranger, unheard};

fn file(path: &str, size: u64, mode: u16) -> Entry {
    let path = Bytes::copy_from_slice(path.as_bytes());
    Entry { kind: Kind::File, mode, modified: (0, 0), size, stored: size, inode: 0, path, target: Bytes::new() }
}

fn directory(path: &str) -> Entry {
    Entry { kind: Kind::Directory, ..file(path, 0, 0o755) }
}

/// A hostile sender that has the ticket.
struct Attacker(Link);

impl Attacker {
    async fn new(ticket: &Ticket) -> Self {
        let link = stranger(ticket).await;
        link.send(&hello(secret(ticket))).await.unwrap();
        let mut attacker = Self(link);
        assert!(matches!(attacker.hears().await, Message::Hello(_)));
        attacker
    }

    async fn lists(&mut self, entries: Vec<Entry>) {
        let (count, size) = (entries.len() as u32, entries.iter().map(|entry| entry.size).sum());
        self.says(&Message::Entries(entries)).await;
        self.says(&Message::Listed { entries: count, size }).await;
    }

    async fn says(&mut self, message: &Message) {
        self.0.send(&bytes(message)).await.unwrap();
    }

    async fn hears(&mut self) -> Message {
        loop {
            match Message::decode(self.0.recv().await.unwrap().expect("the receiver answers")).unwrap() {
                Message::Alive => {}
                message => return message,
            }
        }
    }

    /// Reads what the receiver sends, until it closes the connection.
    async fn leaves(&mut self) {
        while let Ok(Some(_)) = self.0.recv().await {}
    }

    /// Sends a small file, whatever the receiver requested.
    async fn pushes(&mut self, file: u32, content: &'static [u8]) {
        let hash = hash_of(content);
        self.says(&Message::Data { file, offset: 0, bytes: Bytes::from_static(content) }).await;
        self.says(&Message::End { file, size: content.len() as u64, hash }).await;
    }
}

fn hash_of(content: &[u8]) -> [u8; 32] {
    *blake3::hash(content).as_bytes()
}

/// Runs a receiver, and an attack on it at the same time.
async fn against<T>(inbox: &Path, attack: impl AsyncFnOnce(Attacker) -> T) -> (T, Option<unstick::Result<Tally>>) {
    let invitation = invitation().await;
    let (ticket, transfer, observer) = (invitation.ticket().clone(), receiving(inbox), unheard());
    let run = invitation.run(&transfer, STALL, &observer);
    let mut attack = std::pin::pin!(async { attack(Attacker::new(&ticket).await).await });
    tokio::select! {
        biased;
        outcome = run => (attack.await, Some(outcome)),
        found = &mut attack => (found, None),
    }
}

/// Whether the receiver refuses the whole list.
async fn is_refused(inbox: &Path, entries: Vec<Entry>) -> bool {
    let (answer, _) = against(inbox, async |mut attacker| {
        attacker.lists(entries).await;
        attacker.hears().await
    })
    .await;
    matches!(answer, Message::Refused { reason: Reason::Manifest, .. })
}

/// The paths of everything below a directory.
fn inside(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            if path.symlink_metadata().unwrap().is_dir() {
                left.push(path);
            }
        }
    }
    found.retain(|path| !path.starts_with(".unstick"));
    found.sort();
    found
}

/// croc extracted archives that it received. Here an archive is a file like any other, and no existing file is
/// replaced.
#[tokio::test]
async fn cve_2023_43616_an_archive_is_not_extracted_and_replaces_nothing() {
    let (source, inbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The local header of a ZIP archive with one file: name `kept`, content `evil`.
    let zip = b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0\x9d\x7f\xb0\x44\x04\0\0\0\x04\0\0\0\x04\0\0\0keptevil";
    fs::write(source.path().join("archive.zip"), zip).unwrap();
    fs::write(inbox.path().join("kept"), b"mine").unwrap();
    let invitation = invitation().await;
    let ticket = invitation.ticket().clone();
    let (here, there, observer) = (receiving(inbox.path()), sending(&source.path().join("archive.zip")), unheard());
    let options = Options::new();
    let (received, sent) = tokio::join!(
        invitation.run(&here, STALL, &observer),
        transfer::connect(&there, &ticket, &options, STALL, &observer)
    );
    assert_eq!((received.unwrap().failed, sent.unwrap().failed), (0, 0));
    assert_eq!(inside(inbox.path()), ["archive.zip", "kept"]);
    assert_eq!(fs::read(inbox.path().join("kept")).unwrap(), b"mine");
}

/// All bytes that cross the network while a file is sent, in both directions.
async fn overheard(source: &Path, inbox: &Path) -> (Ticket, Vec<u8>) {
    let invitation = invitation().await;
    let mut ticket = invitation.ticket().clone();
    let target = ticket.addresses[0].clone();
    let middle = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ticket.addresses = vec![middle.local_addr().unwrap().to_string()];
    let heard = Arc::new(Mutex::new(Vec::new()));
    let copy = |mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf| {
        let heard = Arc::clone(&heard);
        async move {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length @ 1..) = from.read(&mut buffer).await {
                heard.lock().unwrap().extend_from_slice(&buffer[..length]);
                to.write_all(&buffer[..length]).await.unwrap();
            }
            let _ = to.shutdown().await;
        }
    };
    let (here, there, observer, options) = (receiving(inbox), sending(source), unheard(), Options::new());
    let pass = async {
        let (client, server) = (middle.accept().await.unwrap().0, TcpStream::connect(target).await.unwrap());
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::join!(copy(from_client, to_server), copy(from_server, to_client));
    };
    let (received, sent, ()) = tokio::join!(
        invitation.run(&here, STALL, &observer),
        transfer::connect(&there, &ticket, &options, STALL, &observer),
        pass
    );
    assert_eq!((received.unwrap().failed, sent.unwrap().failed), (0, 0));
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    (ticket, heard)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// croc told its relay a part of the secret. Here no byte of the secret, of a name or of content is on the network.
#[tokio::test]
async fn cve_2023_43617_nobody_on_the_way_learns_of_the_secret() {
    let (source, inbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = source.path().join("a-name-to-look-for");
    fs::write(&path, b"content to look for").unwrap();
    let (ticket, heard) = overheard(&path, inbox.path()).await;
    let secret = secret(&ticket);
    assert!(heard.len() > 1000, "both directions were recorded");
    for part in secret.windows(4) {
        assert!(!holds(&heard, part), "a part of the secret");
        assert!(!holds(&heard, format!("{part:02x?}").replace(", ", "").trim_matches(['[', ']']).as_bytes()));
    }
    assert!(!holds(&heard, b"a-name-to") && !holds(&heard, b"content to"));
}

/// croc sent its local addresses in the clear. Here only the ticket has addresses.
#[tokio::test]
async fn cve_2023_43618_no_address_is_told_in_the_clear() {
    let (source, inbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = source.path().join("file");
    fs::write(&path, b"content").unwrap();
    let (_, heard) = overheard(&path, inbox.path()).await;
    assert!(!holds(&heard, b"127.0.0.1") && !holds(&heard, b"192.168.") && !holds(&heard, b"fe80:"));
}

/// croc's sender could place programs and `.ssh/authorized_keys`. Here an existing file stays. No file becomes
/// set-user-id or writable for others, and none leaves the directory that the user named.
#[tokio::test]
async fn cve_2023_43619_what_is_there_stays_and_nothing_gets_more_rights_than_it_may() {
    let inbox = tempfile::tempdir().unwrap();
    fs::create_dir(inbox.path().join(".ssh")).unwrap();
    fs::write(inbox.path().join(".ssh/authorized_keys"), b"mine").unwrap();
    let entries = vec![directory(".ssh"), file(".ssh/authorized_keys", 4, 0o644), file("new", 4, 0o777)];
    let (answers, outcome) = against(inbox.path(), async |mut attacker| {
        attacker.lists(entries).await;
        let mut answers = vec![attacker.hears().await, attacker.hears().await];
        // The existing file has the same size. The attacker claims a hash, and sends bytes that nobody requested.
        if answers.iter().any(|answer| matches!(answer, Message::Compare { file: 1 })) {
            attacker.says(&Message::End { file: 1, size: 4, hash: hash_of(b"evil") }).await;
        }
        attacker.pushes(2, b"evil").await;
        answers.extend([attacker.hears().await, attacker.hears().await]);
        attacker.hears().await;
        attacker.says(&Message::Done).await;
        attacker.leaves().await;
        answers
    })
    .await;
    assert!(answers.iter().any(|answer| matches!(answer, Message::Failed { file: 1, .. })), "{answers:?}");
    assert_eq!(outcome.unwrap().unwrap().failed, 1);
    assert_eq!(fs::read(inbox.path().join(".ssh/authorized_keys")).unwrap(), b"mine");
    assert_eq!(fs::metadata(inbox.path().join("new")).unwrap().permissions().mode() & 0o7777, 0o755);
    let entry = Entry { mode: 0o4755, ..file("program", 4, 0) };
    let mut coded = Vec::new();
    Message::Entries(vec![entry]).encode(&mut coded);
    assert!(Message::decode(coded.into()).is_err(), "set-user-id");
}

/// magic-wormhole let the sender's name leave the directory that the user named, if that directory existed.
#[tokio::test]
async fn cve_2026_42448_no_name_leaves_a_directory_that_is_there() {
    for path in ["../evil", "/tmp/evil", "there/../../evil", "there/../evil", "..", ".", "there/", "//evil", "./evil"] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("inbox/there")).unwrap();
        assert!(is_refused(&folder.path().join("inbox"), vec![file(path, 4, 0o644)]).await, "{path}");
        assert_eq!(inside(folder.path()), ["inbox", "inbox/there"], "{path}");
    }
}

/// magic-wormhole replaced files such as `.bashrc`, if the sender gave its file such a name.
#[tokio::test]
async fn cve_2026_32116_a_file_that_is_there_is_not_replaced() {
    let inbox = tempfile::tempdir().unwrap();
    fs::write(inbox.path().join(".bashrc"), b"all of mine").unwrap();
    let (answer, _) = against(inbox.path(), async |mut attacker| {
        attacker.lists(vec![file(".bashrc", 4, 0o644)]).await;
        attacker.hears().await
    })
    .await;
    assert!(matches!(answer, Message::Failed { reason: Reason::Exists, .. }), "{answer:?}");
    assert_eq!(fs::read(inbox.path().join(".bashrc")).unwrap(), b"all of mine");
}

/// rsync's receiver followed links that the sender had placed, or that another user placed while it wrote.
#[tokio::test]
async fn cve_2024_12087_and_cve_2024_12747_no_link_in_the_directory_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (inbox, outside) = (folder.path().join("inbox"), folder.path().join("outside"));
    fs::create_dir(&inbox).unwrap();
    fs::create_dir_all(outside.join("deep")).unwrap();
    symlink(&outside, inbox.join("out")).unwrap();
    symlink("../outside/deep", inbox.join("relative")).unwrap();
    fs::create_dir(inbox.join("real")).unwrap();
    symlink("real", inbox.join("within")).unwrap();
    symlink(outside.join("target"), inbox.join("file")).unwrap();
    let entries = vec![
        file("out/evil", 4, 0o644),
        file("relative/evil", 4, 0o644),
        file("within/evil", 4, 0o644),
        directory("out"),
    ];
    let (answers, _) = against(&inbox, async |mut attacker| {
        attacker.lists([entries, vec![file("file", 4, 0o644)]].concat()).await;
        let mut answers = Vec::new();
        for _ in 0..5 {
            let answer = attacker.hears().await;
            if let Message::Want { file, .. } = answer {
                attacker.pushes(file, b"evil").await;
            } else {
                answers.push(answer);
            }
        }
        while answers.len() < 5 {
            answers.push(attacker.hears().await);
        }
        answers
    })
    .await;
    assert!(answers.iter().all(|answer| matches!(answer, Message::Failed { .. })), "{answers:?}");
    assert_eq!(inside(&outside), ["deep"]);
    assert_eq!(inside(&inbox), ["file", "out", "real", "relative", "within"]);
}

/// rsync's server sent files that its client had not requested. Here bytes that nobody requested end the connection.
#[tokio::test]
async fn cve_2022_29154_nothing_comes_that_was_not_wanted() {
    let inbox = tempfile::tempdir().unwrap();
    let ((), outcome) = against(inbox.path(), async |mut attacker| {
        attacker.lists(vec![file("wanted", 4, 0o644)]).await;
        attacker.says(&Message::Data { file: 7, offset: 0, bytes: Bytes::from_static(b"evil") }).await;
        attacker.leaves().await;
    })
    .await;
    assert!(outcome.unwrap().unwrap_err().is_framing());
    assert_eq!(inside(inbox.path()), [""; 0]);
}

/// rsync's peer chose the length of a checksum, and the buffer had another length. Here every field has a fixed length,
/// and a longer or shorter message is an error.
#[tokio::test]
async fn cve_2024_12084_no_length_of_a_hash_is_the_peers() {
    for change in [-1, 1, 32] {
        let inbox = tempfile::tempdir().unwrap();
        let ((), outcome) = against(inbox.path(), async |mut attacker| {
            attacker.lists(vec![file("wanted", 4, 0o644)]).await;
            assert!(matches!(attacker.hears().await, Message::Want { .. }));
            let mut end = bytes(&Message::End { file: 0, size: 4, hash: [0; 32] });
            end.resize((end.len() as isize + change) as usize, 0);
            attacker.0.send(&end).await.unwrap();
            attacker.leaves().await;
        })
        .await;
        assert!(outcome.unwrap().unwrap_err().is_framing(), "{change}");
    }
}

/// rsync's server read the client's files by comparing checksums of content that it chose. Here the hash of an existing
/// file never leaves the machine, because the receiver compares.
#[tokio::test]
async fn cve_2024_12086_a_sender_learns_nothing_of_what_is_there() {
    let inbox = tempfile::tempdir().unwrap();
    fs::write(inbox.path().join("secret"), b"mine").unwrap();
    let (answers, _) = against(inbox.path(), async |mut attacker| {
        attacker.lists(vec![file("secret", 4, 0o644)]).await;
        let first = attacker.hears().await;
        attacker.says(&Message::End { file: 0, size: 4, hash: hash_of(b"evil") }).await;
        [first, attacker.hears().await]
    })
    .await;
    let [first, second] = answers;
    assert_eq!(first, Message::Compare { file: 0 });
    assert!(matches!(second, Message::Failed { reason: Reason::Exists, .. }), "{second:?}");
}

/// Everybody can see the certificate, but a copy is useless without its key: the handshake needs a signature.
#[tokio::test]
async fn a_copied_certificate_without_its_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let path = folder.path().join(name);
        async move { Invitation::open(&"127.0.0.1:0".parse().unwrap(), Some(&path), &Options::new()).await.unwrap() }
    };
    let (victim, other) = (open("victim").await, open("other").await);
    let pem = |name: &str, what: &str| {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        let body =
            text.split(&format!("-----BEGIN {what}-----")).nth(1).unwrap().split("-----END").next().unwrap().to_owned();
        base64(&body)
    };
    let certificate = pki_types::CertificateDer::from(pem("victim", "CERTIFICATE"));
    let key = pki_types::PrivateKeyDer::try_from(pem("other", "PRIVATE KEY")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![certificate], key);
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let config = config
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut ticket = victim.ticket().clone();
    ticket.addresses = vec![listener.local_addr().unwrap().to_string()];
    let source = folder.path().join("file");
    fs::write(&source, b"content").unwrap();
    let (transfer, observer, options) = (sending(&source), unheard(), Options::new());
    let impostor = async {
        let (socket, _) = listener.accept().await.unwrap();
        acceptor.accept(socket).await.map(drop).unwrap_err()
    };
    let sender = transfer::connect(&transfer, &ticket, &options, STALL, &observer);
    let (error, refused) = tokio::join!(sender, impostor);
    assert!(error.unwrap_err().is_handshake(), "and the sender does not try it again");
    assert!(refused.to_string().to_lowercase().contains("alert") || refused.to_string().contains("eof"), "{refused}");
    drop(other);
}

fn base64(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter_map(|digit| {
        Some(match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        })
    });
    let bits: Vec<u8> = digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1)).collect();
    bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}
