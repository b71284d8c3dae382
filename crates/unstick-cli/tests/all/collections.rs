//! Lists every collection that a peer could make grow, and what bounds it.
//!
//! The test reads the source. It fails for a field with a collection that is not in the list, so that nobody adds one
//! without a bound. A test crosses every limit that is named here: `tree` checks that.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What bounds a collection.
enum Bound {
    /// A limit: a constant or a public field of this name.
    Limit(&'static str),
    /// One entry for each connection, and the system limits open files.
    OpenFiles,
    /// One entry for each connected peer. The number of peers has its own bound.
    Peers,
    /// The user wrote it or passed it in: no peer adds to it.
    User,
    /// A fixed number of entries, or a table of the program.
    Fixed,
}

use Bound::{Fixed, Limit, OpenFiles, Peers, User};

/// The file, the field, and its bound. `shake` and `lab` connect only to programs that the user names, and have their own limits;
/// `args` and `options` hold what the user typed.
const BOUNDS: &[(&str, &str, Bound)] = &[
    // The library.
    ("endpoint/options.rs", "environment", User),
    ("endpoint/options.rs", "join", User),
    ("endpoint/options.rs", "unproxied", User),
    ("endpoint/datagrams.rs", "bytes", Limit("MAX_SESSION_BYTES")),
    ("endpoint/datagrams.rs", "waiting", Limit("MAX_SESSION_QUEUE")),
    ("endpoint/handshakes.rs", "addresses", Fixed),
    ("endpoint/handshakes.rs", "ready", Limit("MAX_HANDSHAKES")),
    ("endpoint/handshakes.rs", "outcomes", Limit("MAX_HANDSHAKES")),
    ("endpoint/handshakes/room.rs", "tasks", Limit("MAX_HANDSHAKES")),
    ("endpoint/handshakes/room.rs", "waiting", Limit("MAX_HANDSHAKES")),
    ("endpoint/socket_activation.rs", "sockets", User),
    ("endpoint/http_head.rs", "bytes", Limit("MAX_OPENING")),
    ("endpoint/mem.rs", "incoming", Limit("BACKLOG")),
    ("endpoint/proxy/socks.rs", "login", User),
    ("endpoint/proxy/socks.rs", "request", User),
    ("endpoint/tcp.rs", "sockets", Fixed),
    ("endpoint/tcp.rs", "addresses", Fixed),
    ("endpoint/tls/certificate.rs", "names", Fixed),
    ("endpoint/tls/settings.rs", "pins", User),
    ("endpoint/tls/settings.rs", "protocols", User),
    ("endpoint/tls/settings.rs", "certificates", User),
    ("endpoint/tls/stream.rs", "ahead", Limit("AHEAD")),
    ("endpoint/udp.rs", "ports", Fixed),
    ("endpoint/udp.rs", "incoming", Limit("MAX_SESSIONS")),
    ("endpoint/udp.rs", "addresses", Fixed),
    ("endpoint/udp/own.rs", "machine", Fixed),
    ("endpoint/udp/port.rs", "arrivals", Limit("MAX_SESSIONS")),
    ("endpoint/udp/port.rs", "gone", Limit("max_sessions")),
    ("endpoint/udp/sessions.rs", "sessions", Limit("max_sessions")),
    ("endpoint/udp/sessions.rs", "checks", Limit("max_sessions")),
    ("endpoint/unix_dgram.rs", "sessions", Limit("max_sessions")),
    ("endpoint/unix_dgram.rs", "incoming", Limit("MAX_SESSIONS")),
    ("endpoint/ws/settings.rs", "headers", User),
    ("endpoint/ws/settings.rs", "pass_headers", User),
    ("endpoint/ws/settings.rs", "protocols", User),
    ("endpoint/ws/settings.rs", "origins", User),
    ("endpoint/ws/frames.rs", "close", Limit("LONGEST_CONTROL")),
    ("endpoint/ws/guarded.rs", "held", Limit("READ")),
    ("endpoint/ws/opening.rs", "rest", Limit("MAX_OPENING")),
    ("endpoint/request.rs", "headers", Limit("MAX_OPENING")),
    ("link/outbox.rs", "frames", Limit("MAX_QUEUE")),
    ("service/bridge.rs", "faulted", Peers),
    ("service/bridge/copy.rs", "carried", Limit("BRIDGE_READ")),
    ("service/bridge/shares.rs", "others", User),
    ("service/bridge/config.rs", "runtimes", User),
    ("service/talk/config.rs", "greeting", User),
    ("service/transfer/plain/outgoing.rs", "pieces", Limit("AHEAD")),
    ("service/transfer/outgoing.rs", "entries", User),
    ("service/transfer/outgoing.rs", "paths", User),
    ("service/transfer/outgoing.rs", "skipped", User),
    ("service/transfer/outgoing.rs", "excluded", User),
    ("service/transfer/outgoing.rs", "stream", User),
    ("service/transfer/glob.rs", "parts", User),
    ("service/transfer/glob.rs", "ranges", User),
    ("service/transfer/outlet.rs", "values", Fixed),
    ("service/transfer/outlet.rs", "pending", Fixed),
    ("service/transfer/reader.rs", "from", Fixed),
    ("service/transfer/receiving.rs", "queue", Fixed),
    ("service/transfer/sending.rs", "queue", Limit("MAX_TRANSFER_ENTRIES")),
    ("service/transfer/ticket.rs", "addresses", User),
    ("service/transfer/tree.rs", "values", Fixed),
    ("service/transfer/writer.rs", "wanted", Limit("MAX_TRANSFER_ENTRIES")),
    ("service/transfer/inbox.rs", "opened", Fixed),
    ("service/transfer/verdict.rs", "tree", Fixed),
    ("service/transfer/settler.rs", "verdicts", Limit("AHEAD")),
    ("service/transfer/settler.rs", "files", Limit("MOST")),
    ("service/transfer/settler.rs", "dirty", Limit("MAX_TRANSFER_ENTRIES")),
    ("service/transfer/settler.rs", "directories", Limit("MAX_TRANSFER_ENTRIES")),
    ("service/transfer/writer.rs", "compared", Limit("MOST_COMPARED")),
    ("service/transfer/recorder.rs", "values", Limit("MOST_COMPARED")),
    ("service/talk/ahead.rs", "held", Limit("COMMANDS_AHEAD")),
    ("service/talk/backlog.rs", "letters", Limit("max_queue")),
    ("service/talk/hub.rs", "peers", OpenFiles),
    ("recording.rs", "buffer", Limit("MAX_LINE")),
    ("service/replay/event.rs", "differences", Limit("MOST_DESCRIBED")),
    ("service/replay/recorded.rs", "scripts", Limit("MAX_REPLAYED")),
    ("service/replay/recorded.rs", "left_out", Limit("MAX_REPLAYED")),
    ("service/replay/server.rs", "uses", Limit("MAX_REPLAYED")),
    ("replay/script.rs", "steps", Limit("MAX_REPLAYED")),
    ("replay/book.rs", "scripts", Limit("MAX_REPLAYED")),
    ("replay/book.rs", "learnt", Limit("MAX_LEARNT")),
    ("replay/book.rs", "sources", Limit("MAX_REPLAYED")),
    ("replay/book.rs", "origins", Limit("MAX_REPLAYED")),
    ("replay/asker.rs", "ids", Limit("MAX_REPLAYED")),
    ("replay/player.rs", "fitting", Limit("MAX_REPLAYED")),
    ("replay/player.rs", "ids", Limit("MAX_REPLAYED")),
    ("replay/rules.rs", "masks", User),
    ("replay/rules.rs", "copies", User),
    // Captures.
    ("connections.rs", "ports", User),
    ("connections.rs", "hosts", User),
    ("connections.rs", "open", Limit("MAX_CONNECTIONS")),
    ("fragments.rs", "datagrams", Limit("MAX_FRAGMENTED")),
    ("fragments.rs", "bytes", Limit("LONGEST")),
    ("fragments.rs", "parts", Limit("LONGEST")),
    ("file/pcap.rs", "packet", Limit("MAX_PACKET")),
    ("file/pcapng.rs", "interfaces", Limit("MAX_INTERFACES")),
    ("file/pcapng.rs", "body", Limit("MAX_BLOCK")),
    // The program.
    ("verb/bridge/guessed.rs", "connections", Peers),
    ("verb/bridge/guessed.rs", "passed", Limit("MAX_GUESS_SEGMENTS")),
    ("verb/decode/conversations.rs", "conversations", Limit("MAX_CONNECTIONS")),
    ("verb/decode/conversations.rs", "likely", Fixed),
    ("verb/decode/guesses.rs", "watched", Limit("MAX_SERVERS")),
    ("verb/decode/trial.rs", "candidates", Fixed),
    ("verb/decode/trial.rs", "passed", Limit("MAX_TRIAL_SEGMENTS")),
    ("verb/decode/shown.rs", "line", Limit("MAX_MESSAGE")),
    ("verb/decode/shown.rs", "written", Limit("MAX_MESSAGE")),
    ("verb/decode/shown.rs", "frame", Limit("MAX_MESSAGE")),
    ("verb/decode/recording.rs", "open", Limit("MAX_OPEN")),
    ("verb/decode/recording.rs", "ports", Fixed),
    ("verb/decode/guesses.rs", "known", Limit("MAX_SERVERS")),
    ("verb/decode/view.rs", "open", Limit("MAX_OPEN")),
    ("verb/decode/view.rs", "ports", Fixed),
    ("timeline.rs", "connections", Limit("MAX_CONNECTIONS")),
    ("timeline.rs", "bytes", Limit("MAX_BYTES")),
    ("packets.rs", "out", Limit("MAX_SEGMENT")),
    ("packets.rs", "open", Limit("MAX_OPEN")),
    ("samples.rs", "samples", Limit("MAX_SERVERS")),
    ("samples.rs", "order", Limit("MAX_SERVERS")),
    ("samples.rs", "servers", Limit("MAX_OPEN")),
    ("verb/encode.rs", "frame", User),
    ("verb/replay/junit.rs", "cases", Limit("MAX_LISTED")),
    ("verb/replay/junit.rs", "differing", OpenFiles),
    ("verb/transfer/question.rs", "known", Limit("MAX_TRANSFER_ENTRIES")),
    ("complaints.rs", "kinds", Limit("KINDS")),
    ("config.rs", "lines", User),
    ("frontend/pipe.rs", "whole", User),
    ("frontend/pipe.rs", "scratch", Limit("MAX_MESSAGE")),
    ("frontend/prompt.rs", "commands", Limit("LINES_AHEAD")),
    ("frontend/prompt/keys.rs", "lines", User),
    ("frontend/prompt/reader.rs", "commands", Limit("LINES_AHEAD")),
    ("frontend/prompt/recipient.rs", "peers", Peers),
    ("frontend/prompt/screen.rs", "unsent", User),
    ("frontend/terminal/render.rs", "datagrams", Peers),
    ("recorder/events.rs", "bytes", Limit("MAX_RECORDED_AHEAD")),
    ("recorder/events.rs", "message", Limit("MAX_RECORDED_AHEAD")),
    ("recorder/file.rs", "held", Limit("MAX_HELD")),
    ("recorder/file.rs", "lines", Limit("GATHERED")),
    ("recorder/file.rs", "open", OpenFiles),
    ("recorder/queue.rs", "events", Limit("MAX_RECORDED_AHEAD")),
    ("recorder/queue.rs", "lost", OpenFiles),
    ("text_queue.rs", "waiting", Limit("WAITING")),
];

/// Parts of the source whose collections no peer of a run fills.
const APART: [&str; 6] = ["scenes", "verb/lab", "verb/generate", "verb/shake", "args.rs", "options"];

/// The types of collections.
const COLLECTIONS: [&str; 9] =
    ["Vec<", "VecDeque<", "HashMap<", "BTreeMap<", "BTreeSet<", "HashSet<", "BytesMut", "JoinSet<", "mpsc::"];

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The sources below a folder, without their tests, by their path below `root`.
fn sources(root: &str, below: &str) -> BTreeMap<String, String> {
    let root = home().join(root);
    let (mut found, mut left) = (BTreeMap::new(), vec![root.join(below)]);
    if !below.is_empty() {
        left.push(root.join(format!("{below}.rs")));
    }
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
            found.insert(name, code);
        }
    }
    found.retain(|name, _| !name.ends_with("tests.rs") && !APART.iter().any(|apart| name.starts_with(apart)));
    found
}

fn all() -> BTreeMap<String, String> {
    let mut all = sources("crates/unstick-cli/src", "");
    for part in ["endpoint", "link", "recording", "service"] {
        all.extend(sources("crates/unstick/src", part));
    }
    all.extend(sources("crates/unstick-wire/src", "replay"));
    for part in ["connections", "file", "fragments"] {
        all.extend(sources("crates/unstick-capture/src", part));
    }
    all
}

/// The fields of a file's structs that hold collections.
fn fields(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in code.lines() {
        let opens = line.ends_with('{') && (line.contains("struct ") || line.contains("enum "));
        inside = if line.starts_with('}') { false } else { inside || (opens && !line.starts_with(' ')) };
        let Some((name, kind)) = line.trim_start().split_once(": ") else { continue };
        let name = name.rsplit(' ').next().unwrap_or_default();
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if inside && is_name && kind.ends_with(',') && COLLECTIONS.iter().any(|one| kind.contains(one)) {
            found.push(name);
        }
    }
    found
}

#[test]
fn every_collection_that_a_peer_could_make_grow_has_a_bound() {
    let sources = all();
    let mut wanting = Vec::new();
    for (path, code) in &sources {
        for field in fields(code) {
            if !BOUNDS.iter().any(|(at, name, _)| at == path && *name == field) {
                wanting.push(format!("{path}: {field}"));
            }
        }
    }
    assert!(wanting.is_empty(), "what limits these? Name it in BOUNDS: {wanting:#?}");
    for (path, name, _) in BOUNDS {
        let there = sources.get(*path).is_some_and(|code| fields(code).contains(name));
        assert!(there, "{path} has no collection {name} any more: take it out of BOUNDS");
    }
}

#[test]
fn every_bound_that_is_named_is_a_limit() {
    let limits = ["unstick", "unstick-capture", "unstick-wire"].map(|name| format!("crates/{name}/src/limits.rs"));
    let limits: String =
        limits.iter().map(|path| fs::read_to_string(home().join(path)).unwrap()).chain(all().into_values()).collect();
    for (path, name, bound) in BOUNDS {
        let Limit(limit) = bound else { continue };
        let known = [format!("const {limit}:"), format!("pub {limit}:")].iter().any(|text| limits.contains(text));
        assert!(known, "{path}: {name} is bounded by {limit}, which is no limit");
    }
}

#[test]
fn no_queue_is_unbounded() {
    for (path, code) in all() {
        assert!(!code.contains("unbounded"), "{path}: a queue without a limit");
    }
}
