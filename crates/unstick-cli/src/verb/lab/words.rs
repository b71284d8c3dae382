//! Holds the words for each scene: its title, its reason, the captions of its acts, its code and its commands.

use crate::scenes::Scene;

/// The words of a scene.
pub(super) struct Words {
    pub(super) title: &'static str,
    /// The reason, in a few sentences.
    pub(super) why: &'static str,
    acts: &'static [(&'static str, &'static str)],
    /// Wrong, right.
    pub(super) python: [Code; 2],
    pub(super) rust: [Code; 2],
    pub(super) trials: &'static [Trial],
}

/// Two commands, typed in two windows, and the output to expect. A test types them.
pub(super) struct Trial {
    pub(super) what: &'static str,
    pub(super) first: &'static str,
    pub(super) second: &'static str,
    /// The window in which the output appears.
    pub(super) window: u8,
    pub(super) shows: &'static [&'static str],
}

impl Words {
    /// Returns the caption of an act on the screen.
    pub(super) fn caption(&self, act: &str) -> String {
        self.acts.iter().find(|(name, _)| *name == act).map_or(act, |(_, caption)| caption).to_owned()
    }
}

/// A file with wrong or right code. Its first line is its caption, and a test runs it.
pub(super) struct Code(&'static str);

impl Code {
    /// Returns the caption: the assumption that the code makes.
    pub(super) fn caption(&self) -> String {
        let first = self.0.lines().next().unwrap_or_default();
        first.trim_start_matches(['/', '!', '#', ' ']).to_owned()
    }

    /// Returns the code below the caption, to be copied unchanged.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.lines().skip(1).map(|line| line.strip_prefix("pub ").unwrap_or(line).to_owned())
    }
}

/// The four files of a scene.
macro_rules! code {
    ($folder:literal, $language:literal) => {
        [
            Code(include_str!(concat!("code/", $folder, "/wrong.", $language))),
            Code(include_str!(concat!("code/", $folder, "/right.", $language))),
        ]
    };
}

/// The words of a scene.
pub(super) fn of(scene: Scene) -> Words {
    match scene {
        Scene::Nagle => NAGLE,
        Scene::SlowReader => SLOW_READER,
        Scene::Split => SPLIT,
        Scene::SmallBuffer => SMALL_BUFFER,
        Scene::Length => LENGTH,
        Scene::Range => RANGE,
        Scene::File => FILE,
        Scene::Datagrams => DATAGRAMS,
        Scene::CutShort => CUT_SHORT,
        Scene::Loss => LOSS,
        // The last scene. A new scene needs its own arm and words.
        _ => COMPARE,
    }
}

const NAGLE: Words = Words {
    title: "two sends read as one: the sender gathered them",
    why: "While a small segment is not yet acknowledged, the sender's kernel holds further small sends back and sends them \
        together (Nagle's algorithm). The receiver's kernel delays the acknowledgement, on Linux by up to 40 ms, so this is common. \
        TCP_NODELAY switches Nagle off, which makes joined sends rarer, never impossible: only a framing keeps messages apart.",
    acts: &[("gathered", "TCP: three sends, one right after the other, and a late acknowledgement")],
    python: code!("nagle", "py"),
    rust: code!("nagle", "rs"),
    trials: &[
        Trial {
            what: "two sends, one read",
            first: "unstick listen 8080 -f raw",
            second: "unstick connect 8080 -f raw --send Hello --send World",
            window: 1,
            shows: &["1> HelloWorld"],
        },
        Trial {
            what: "the same in lines, two messages",
            first: "unstick listen 8080 -f line",
            second: "unstick connect 8080 -f line --send Hello --send World",
            window: 1,
            shows: &["1> Hello", "1> World"],
        },
    ],
};

const SLOW_READER: Words = Words {
    title: "two sends read as one: the receiver was slow",
    why: "What arrives waits in the receiver's kernel until the program reads, and one recv takes all that is there. The sender \
        can do nothing about it: no option and no pause makes a slow reader fast.",
    acts: &[("joined", "TCP: both sends have arrived before the receiver reads")],
    python: code!("slow_reader", "py"),
    rust: code!("slow_reader", "rs"),
    trials: &[Trial {
        what: "five bytes per message, however they arrive",
        first: "unstick listen 8080 -f fixed:5",
        second: "printf HelloWorld | unstick connect 8080",
        window: 1,
        shows: &["1> Hello", "1> World"],
    }],
};

const SPLIT: Words = Words {
    title: "one send read as three",
    why: "The network may cut a stream anywhere: at the size of a packet, at a full buffer, in a proxy. Here unstick plays \
        the network, and passes each piece on once the one before has been read.",
    acts: &[("split", "TCP: one send, delivered in three pieces")],
    python: code!("split", "py"),
    rust: code!("split", "rs"),
    trials: &[
        Trial {
            what: "in two pieces, as the network may",
            first: "unstick listen 8080 -f raw",
            second: "(printf Hel; sleep 1; echo 'lo, World') |\n    unstick connect 8080",
            window: 1,
            shows: &["1> Hel", "1> lo, World"],
        },
        Trial {
            what: "the same in lines, one message",
            first: "unstick listen 8080 -f line",
            second: "(printf Hel; sleep 1; echo 'lo, World') |\n    unstick connect 8080",
            window: 1,
            shows: &["1> Hello, World"],
        },
    ],
};

const SMALL_BUFFER: Words = Words {
    title: "a message longer than the reader's buffer",
    why: "recv(8) returns at most 8 bytes, and over TCP the rest waits for the next call. A larger buffer only makes it rarer: \
        there is always a longer message, and a cut before its end.",
    acts: &[("portions", "TCP: one send of 27 bytes, and a receiver with room for 8")],
    python: code!("small_buffer", "py"),
    rust: code!("small_buffer", "rs"),
    trials: &[Trial {
        what: "a long message, counted by the receiver",
        first: "unstick listen 8080 -f u32be --each 'wc -c'",
        second: "seq 10000 | unstick ask 8080 -f u32be --io raw -",
        window: 2,
        shows: &["48894"],
    }],
};

const LENGTH: Words = Words {
    title: "the length that arrives with its body, and the cure that works",
    why: "A length in front of each message is the right cure, but the length is a part of the stream as well: it may arrive \
        with its body, or in two pieces. Only a reader that asks for exactly the bytes that are missing, until all are there, gets it right. \
        Two writes for one message can also cost 40 ms: Nagle's algorithm holds the body back until the delayed acknowledgement of \
        the length. One write for both avoids that, and so does TCP_NODELAY.",
    acts: &[
        ("joined", "TCP, wrong: recv(1024) for the length"),
        ("cut", "TCP, wrong: one recv(4) for the length, and the network cut it"),
        ("exact", "TCP, right: exactly 4 bytes, then exactly as many as they say"),
    ],
    python: code!("length", "py"),
    rust: code!("length", "rs"),
    trials: &[
        Trial {
            what: "a length in two pieces",
            first: "unstick listen 8080 -f u32be",
            second: "(printf '\\0\\0'; sleep 1; printf '\\0\\5Hello') |\n    unstick connect 8080",
            window: 1,
            shows: &["1> Hello"],
        },
        Trial {
            what: "and lengths that arrive with their bodies",
            first: "unstick listen 8080 -f u32be",
            second: "unstick connect 8080 -f u32be --send Hello --send World",
            window: 1,
            shows: &["1> Hello", "1> World"],
        },
    ],
};

const RANGE: Words = Words {
    title: "how far a 4-byte length reaches, and what happens past it",
    why: "Four bytes count to 4,294,967,295, or half as far if one bit is a sign. A larger length loses its upper bits and \
        reads as a smaller number. The reader then stops too early, and takes the middle of the message for the next length.",
    acts: &[
        ("fields", "TCP: lengths written into 4 bytes (big-endian), sent, and read back"),
        ("past", "TCP: a message of 4 GiB and 5 bytes, whose length reads 5"),
    ],
    python: code!("range", "py"),
    rust: code!("range", "rs"),
    trials: &[
        Trial {
            what: "text that is read as a length",
            first: "unstick listen 8080 -f i32be",
            second: "printf 'GET / HTTP/1.1' | unstick connect 8080",
            window: 1,
            shows: &["over the limit of 16 MiB"],
        },
        Trial {
            what: "a message that is too long for its length field",
            first: "unstick listen 8080 -f i8",
            second: "seq 100 | unstick ask 8080 -f i8 -",
            window: 2,
            shows: &["at most 127"],
        },
    ],
};

const FILE: Words = Words {
    title: "a file, and the end of the stream that looks like its end",
    why: "A file is one long message: with its length in front it does not matter how the segments are joined or cut. Without \
        one, a reader takes the end of the stream for the end of the file, and a connection that is cut looks like a complete file.",
    acts: &[
        ("known", "TCP, right: 8 bytes of length, then two sends that arrive as one"),
        ("cut", "TCP, wrong: recv until the end, and the sender ends in the middle"),
        ("noticed", "TCP, right: the same cut, after a length"),
    ],
    python: code!("file", "py"),
    rust: code!("file", "rs"),
    trials: &[Trial {
        what: "a file of 11 bytes that is cut after 7",
        first: "unstick listen 8080 -f u64be",
        second: "printf '\\0\\0\\0\\0\\0\\0\\0\\13Hello, ' | unstick connect 8080",
        window: 1,
        shows: &["ended 15 bytes into a 19-byte frame"],
    }],
};

const DATAGRAMS: Words = Words {
    title: "the same over UDP: boundaries are kept",
    why: "One send is one datagram, and one recv returns one datagram, however slow the receiver is. An empty message is one \
        too: over UDP a read of 0 bytes is not the end.",
    acts: &[("kept", "UDP: three sends, one of them empty, before the receiver reads")],
    python: code!("datagrams", "py"),
    rust: code!("datagrams", "rs"),
    trials: &[Trial {
        what: "two sends, two messages, no framing",
        first: "unstick listen udp://:9005",
        second: "unstick connect udp://:9005 --send Hello --send World",
        window: 1,
        shows: &["1> Hello", "1> World"],
    }],
};

const CUT_SHORT: Words = Words {
    title: "a datagram cut short by a small buffer",
    why: "A recv with too little room returns the beginning of a datagram, and the kernel throws the rest away. There is no \
        error, and the next recv returns the next datagram.",
    acts: &[("cut", "UDP: 27 bytes, then 4, and a receiver with room for 8")],
    python: code!("cut_short", "py"),
    rust: code!("cut_short", "rs"),
    trials: &[Trial {
        what: "there is room for every datagram",
        first: "unstick listen udp://:9005 --each 'wc -c'",
        second: "seq 10000 | unstick ask udp://:9005 --io raw -",
        window: 2,
        shows: &["48894"],
    }],
};

const LOSS: Words = Words {
    title: "datagrams lost when the receiver is slow",
    why: "What does not fit into the receiver's queue is dropped, and over UDP nobody is told: every send succeeds. TCP makes \
        the sender wait instead, and sends lost data again.",
    acts: &[
        ("udp", "UDP: 60 messages, and a receiver that reads one for every three sent"),
        ("tcp", "TCP: the same messages, the same receiver"),
    ],
    python: code!("loss", "py"),
    rust: code!("loss", "rs"),
    trials: &[Trial {
        what: "how many arrive, one send right after the other",
        first: "echo $(unstick listen udp://:9005 --once --until end |\n    wc -l) of 50000",
        second: "(seq 50000; sleep 1; echo end) |\n    unstick connect udp://:9005 --no-wait",
        window: 1,
        shows: &[" of 50000"],
    }],
};

const COMPARE: Words = Words {
    title: "TCP and UDP side by side",
    why: "A stream loses the boundaries and nothing else; datagrams keep them, but may be lost, and have a maximum size. \
        Which of them is faster depends on the path that the messages take: measure it there.",
    acts: &[("tcp", "TCP"), ("udp", "UDP")],
    python: code!("compare", "py"),
    rust: code!("compare", "rs"),
    trials: &[Trial {
        what: "there and back, including the start of a program",
        first: "unstick listen udp://:9005 --echo",
        second: "time unstick ask udp://:9005 Hello",
        window: 2,
        shows: &["Hello", "real"],
    }],
};
