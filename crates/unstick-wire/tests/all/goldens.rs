//! Compares presets with bytes that other programs made: the files in `tests/goldens`; the README there describes their
//! format.

use std::collections::BTreeSet;
use std::path::PathBuf;

use unstick_wire::{Framing, Preset, Role};

use crate::drive::{Told, WAYS, bytewise, cut, decode};
use crate::golden_format::parse_frame;

/// One file.
struct Golden {
    name: String,
    text: String,
}

/// What one side sent.
#[derive(Default)]
struct Side {
    /// Each frame, and whether we would write the same bytes.
    frames: Vec<(Vec<u8>, bool)>,
    messages: Vec<Vec<u8>>,
    /// The bytes after the last frame, which are in no frame.
    rest: Vec<u8>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens")
}

fn goldens() -> Vec<Golden> {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let mut goldens: Vec<Golden> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "golden"))
        .map(|path| Golden {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect();
    goldens.sort_by(|a, b| a.name.cmp(&b.name));
    goldens
}

/// Frames in order, with the side that sent each.
pub(crate) type Passed = Vec<(Role, Vec<u8>)>;

/// What passed in the golden of each preset, frame by frame in the order of the file.
pub(crate) fn conversations() -> Vec<(String, Passed)> {
    let passed = |golden: &Golden| {
        let line = |line: &str| {
            let role = match line.get(..2)? {
                "> " | ">~" => Role::Client,
                "< " | "<~" => Role::Server,
                _ => return None,
            };
            Some((role, parse_frame(&line[2..])?.0))
        };
        golden.text.lines().filter_map(line).collect()
    };
    goldens()
        .iter()
        .filter(|golden| golden.preset().is_some())
        .map(|golden| (golden.name.clone(), passed(golden)))
        .collect()
}

impl Golden {
    fn header(&self, key: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(": "))
    }

    fn side(&self, role: Role) -> Side {
        let mut side = Side::default();
        let way = if role == Role::Client { '>' } else { '<' };
        for line in self.text.lines().filter_map(|line| line.strip_prefix(way)) {
            let (frame, message) = parse_frame(&line[1..]).unwrap_or_else(|| panic!("{}: {line}", self.name));
            match &line[..1] {
                "*" => side.rest.extend(frame),
                mark => {
                    assert!(mark == " " || mark == "~", "{}: {line}", self.name);
                    side.frames.push((frame, mark == " "));
                    side.messages.push(message);
                }
            }
        }
        side
    }

    fn preset(&self) -> Option<&'static Preset> {
        Preset::all().find(|preset| preset.name == self.name)
    }
}

/// Runs a test for each side of each preset that its golden has frames of.
fn for_each_side(test: impl Fn(&str, &Framing, &Side)) {
    for golden in goldens() {
        let spec = match (golden.preset(), golden.header("framing")) {
            (Some(preset), _) => preset.name,
            (None, Some(spec)) => spec,
            (None, None) => panic!("{} is no preset, and its golden names no framing", golden.name),
        };
        for role in [Role::Client, Role::Server] {
            let side = golden.side(role);
            if !side.frames.is_empty() {
                let framing = Framing::parse(spec).unwrap_or_else(|e| panic!("{}: {e}", golden.name)).sent_by(role);
                test(&format!("{} of a {role:?} ({spec})", golden.name), &framing, &side);
            }
        }
    }
}

impl Side {
    fn stream(&self) -> Vec<u8> {
        let frames = self.frames.iter().flat_map(|(frame, _)| frame).copied();
        frames.chain(self.rest.iter().copied()).collect()
    }

    /// Whether a byte is in a frame that may begin with bytes that belong to no frame.
    fn is_inexact(&self, at: usize) -> bool {
        let mut end = 0;
        self.frames.iter().any(|(frame, exact)| {
            let start = end;
            end += frame.len();
            !exact && (start..end).contains(&at)
        })
    }

    /// Checks that a decoder returned the messages, then the rest in any pieces.
    #[track_caller]
    fn is_told(&self, told: &Told, context: &str) {
        assert_eq!((&told.error, told.discarded), (&None, 0), "{context}");
        let count = self.messages.len().min(told.messages.len());
        for (at, (found, wanted)) in told.messages.iter().zip(&self.messages).enumerate() {
            assert_eq!(found, wanted, "{context}: message {}", at + 1);
        }
        assert_eq!(count, self.messages.len(), "{context}: messages are missing");
        assert_eq!(told.messages[count..].concat(), self.rest, "{context}: after the last frame");
    }
}

#[test]
fn every_preset_reads_what_others_wrote() {
    for_each_side(|name, framing, side| {
        let stream = side.stream();
        side.is_told(&decode(framing, [&stream[..]], WAYS[0]), name);
        side.is_told(&bytewise(framing, &stream), name);
    });
}

#[test]
fn every_preset_writes_what_others_wrote() {
    for_each_side(|name, framing, side| {
        let Ok(mut encoder) = framing.encoder() else { return };
        for ((frame, exact), message) in side.frames.iter().zip(&side.messages) {
            let mut written = Vec::new();
            encoder.encode(message, &mut written).unwrap_or_else(|error| panic!("{name}: {message:02x?}: {error}"));
            assert_eq!(&written == frame, *exact, "{name}: {written:02x?} for {frame:02x?}");
        }
    });
}

/// Longest stream that is cut at every place, and about how often a longer one is.
const SHORT: usize = 100;

#[test]
fn any_cut_gives_the_same_messages() {
    for_each_side(|name, framing, side| {
        let stream = side.stream();
        // Every way to cut the start of a stream, and every place inside of a frame that ends it.
        let start = &stream[..stream.len().min(10)];
        let told = decode(framing, [start], WAYS[0]);
        for mask in 0..1u32 << start.len().saturating_sub(1) {
            let places = (1..start.len()).filter(|place| mask >> (place - 1) & 1 == 1);
            let again = decode(framing, cut(start, places), WAYS[mask as usize % WAYS.len()]);
            assert_eq!(
                (again.joined(), &again.error),
                (told.joined(), &told.error),
                "{name}: its start, cut as {mask:b}"
            );
        }
        let step = stream.len() / SHORT + 1;
        for first in (0..=stream.len()).step_by(step) {
            for second in (first..=stream.len()).step_by(1 + stream.len() / 16) {
                let told = decode(framing, cut(&stream, [first, second]), WAYS[(first + second) % WAYS.len()]);
                side.is_told(&told, &format!("{name}, cut at {first} and {second}"));
            }
        }
    });
}

#[test]
fn random_cuts_give_the_same_messages() {
    let mut state = 0x2545_f491_u32;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize % below
    };
    let seed = std::cell::RefCell::new(&mut random);
    for_each_side(|name, framing, side| {
        let stream = side.stream();
        for round in 0..24 {
            let mut places: Vec<usize> = (0..1 + round % 12).map(|_| (*seed.borrow_mut())(stream.len() + 1)).collect();
            places.sort_unstable();
            let told = decode(framing, cut(&stream, places.iter().copied()), WAYS[round % WAYS.len()]);
            side.is_told(&told, &format!("{name}, cut at {places:?}"));
        }
    });
}

#[test]
fn an_end_inside_a_frame_is_told() {
    for_each_side(|name, framing, side| {
        if !side.rest.is_empty() {
            return; // Bytes outside frames may end anywhere.
        }
        let stream = side.stream();
        let boundaries: BTreeSet<usize> = side
            .frames
            .iter()
            .scan(0, |end, (frame, _)| {
                *end += frame.len();
                Some(*end)
            })
            .collect();
        let step = stream.len() / 400 + 1;
        for end in (1..stream.len()).filter(|end| end % step == 0 || boundaries.contains(end)) {
            let told = decode(framing, [&stream[..end]], WAYS[end % WAYS.len()]);
            if boundaries.contains(&end) {
                assert_eq!(told.error, None, "{name}, ended after byte {end}");
            } else if !ends_anywhere(framing) && !side.is_inexact(end) && !is_opening(framing, &stream[..end]) {
                assert!(
                    told.error.is_some(),
                    "{name}: ended at byte {end}, and {:02x?} was said",
                    told.messages.last()
                );
            }
        }
    });
}

/// Where the end of the stream ends a message too.
fn ends_anywhere(framing: &Framing) -> bool {
    let Some(preset) = framing.preset() else { return false };
    [preset.client, preset.server].iter().any(|spec| spec.split('/').any(|phase| phase.starts_with("line")))
}

/// A flag that no frame has followed stands between two.
fn is_opening(framing: &Framing, stream: &[u8]) -> bool {
    let flagged = |preset: &Preset| ["hdlc", "jt808"].iter().any(|name| preset.client.starts_with(name));
    framing.preset().is_some_and(flagged) && matches!(stream, [0x7e] | [.., 0x7e, 0x7e])
}

#[test]
fn every_golden_says_where_it_is_from() {
    let goldens = goldens();
    assert!(goldens.len() >= 5);
    for Golden { name, .. } in &goldens {
        let golden = goldens.iter().find(|golden| golden.name == *name).unwrap();
        let source = golden.header("source").unwrap_or_else(|| panic!("{name}.golden names no source"));
        assert!(source.len() > 8, "{name}.golden: {source} is no source");
        let made = golden.header("made").unwrap_or_else(|| panic!("{name}.golden does not say how it was made"));
        if made.starts_with("by hand") {
            continue;
        }
        let script = made.strip_prefix("by ").and_then(|rest| rest.split_once(" with ")).map(|(script, _)| script);
        let script = script.unwrap_or_else(|| panic!("{name}.golden: made {made:?} names no script and no library"));
        let code = std::fs::read_to_string(folder().join(script)).unwrap_or_else(|e| panic!("{name}: {script}: {e}"));
        assert!(code.contains(&format!("\"{name}\"")), "{script} does not write {name}.golden");
    }
}

#[test]
fn nothing_of_ours_makes_goldens() {
    let ours = env!("CARGO_PKG_NAME").split('-').next().unwrap();
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let is_golden = path.extension().is_some_and(|extension| extension == "golden");
        if path.is_file() && (is_golden || path.extension().is_some_and(|extension| extension == "py")) {
            let text = std::fs::read_to_string(&path).unwrap().to_lowercase();
            assert!(!text.contains(ours), "{} uses {ours}, or names it", path.display());
        }
    }
}

#[test]
fn every_side_of_every_preset_has_its_golden() {
    let goldens = goldens();
    for preset in Preset::all() {
        let golden = goldens.iter().find(|golden| golden.name == preset.name);
        let golden = golden.unwrap_or_else(|| panic!("{} has no golden", preset.name));
        let [client, server] = [Role::Client, Role::Server].map(|role| golden.side(role).frames.len());
        assert!(client + server > 1, "{}: one frame shows no boundary", preset.name);
        if preset.client != preset.server {
            assert!(client > 0 && server > 0, "{}: a side without a golden", preset.name);
        }
    }
}
