//! Words that must not occur in what people read: documents, help, errors and hints.

use std::fs;
use std::path::{Path, PathBuf};

/// They read as if translated; english.md of the project names better ones.
const UNPLAIN: [&str; 12] = [
    "again and again",
    "so many",
    "whoever",
    "is none",
    "to be had",
    "not to be said",
    "nothing that unstick does",
    "such as it is",
    "it is said",
    "is said",
    "one's own",
    "by itself",
];

const DOCUMENTS: [&str; 13] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/decisions.md",
    "docs/guess.md",
    "docs/guide.md",
    "docs/json.md",
    "docs/protocols.md",
    "docs/protocols/plain.md",
    "docs/protocols/transfer.md",
    "docs/shake.md",
    "examples/README.md",
];

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust files of a folder and of its subfolders.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The text of a source that people read: its string literals, and the help of options, which is in the doc comments of `Args`.
fn read_by_people(source: &str) -> Vec<&str> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let has_options = source.contains("derive(Debug, Args)");
    let doc = |line: &&str| has_options && line.trim_start().starts_with("///");
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let literals = code.flat_map(|line| line.split('"').skip(1).step_by(2));
    literals.chain(source.lines().filter(doc)).collect()
}

fn found_in(place: &str, text: &str, found: &mut Vec<String>) {
    let text = text.to_lowercase();
    let unplain = UNPLAIN.iter().filter(|word| text.contains(**word));
    found.extend(unplain.map(|word| format!("{place}: {word:?} in {text:?}")));
}

#[test]
fn what_people_read_is_in_plain_words() {
    let mut found = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(home().join(document)).expect("a document");
        assert!(!text.is_empty());
        text.lines().for_each(|line| found_in(document, line, &mut found));
    }
    let mut files = Vec::new();
    for program in ["unstick", "unstick-capture", "unstick-cli", "unstick-shake", "unstick-wire"] {
        sources(&home().join("crates").join(program).join("src"), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    for file in files {
        let source = fs::read_to_string(&file).expect("a source");
        read_by_people(&source).into_iter().for_each(|text| found_in(&file.display().to_string(), text, &mut found));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Whether a line of code names an option: two hyphens and a letter, or one hyphen and a single letter, as in `-f`.
fn names_an_option(line: &str) -> bool {
    let long = line.match_indices("--").any(|(at, _)| line[at + 2..].starts_with(|c: char| c.is_ascii_lowercase()));
    let has_text = line.contains('"') || line.ends_with('\\');
    let short = has_text
        && line.split([' ', '"', '`', '(', ')', ',', ';', ':']).any(|word| {
            let mut letters = word.chars();
            letters.next() == Some('-')
                && letters.next().is_some_and(|c| c.is_ascii_alphabetic())
                && letters.next().is_none()
        });
    long || short
}

/// Commands of other programs that a hint names with their options.
const OTHER_PROGRAMS: [&str; 6] = ["openssl", "usermod", "ls -l", "fuser -v", "ulimit -n", "\"-c\", line"];

#[test]
fn libraries_name_no_option_of_the_program() {
    assert!(
        names_an_option("    \"--retry 10s keeps trying\"")
            && names_an_option("\"framing (-f)?\"")
            && !names_an_option("- 1")
    );
    let mut files = Vec::new();
    for library in ["unstick", "unstick-capture", "unstick-shake", "unstick-wire"] {
        sources(&home().join("crates").join(library).join("src"), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    let mut found = Vec::new();
    for file in files {
        let source = fs::read_to_string(&file).expect("a source");
        let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default().lines();
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        let code = code.filter(|line| OTHER_PROGRAMS.iter().all(|program| !line.contains(program)));
        found.extend(
            code.filter(|line| names_an_option(line)).map(|line| format!("{}: {}", file.display(), line.trim())),
        );
    }
    assert!(found.is_empty(), "an error carries an `Advice` instead:\n{}", found.join("\n"));
}
