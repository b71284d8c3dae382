//! Words that do not occur in what people read: documents, help, errors and hints.

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

const DOCUMENTS: [&str; 10] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/decisions.md",
    "docs/guide.md",
    "docs/json.md",
    "docs/protocols.md",
    "docs/shake.md",
    "examples/README.md",
];

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust files of a folder, and of those in it.
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

/// What people read of a source: its string literals, and the help of options, which stands in the doc comments of `Args`.
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
    for program in ["unstick", "unstick-cli", "unstick-wire"] {
        sources(&home().join("crates").join(program).join("src"), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    for file in files {
        let source = fs::read_to_string(&file).expect("a source");
        read_by_people(&source).into_iter().for_each(|text| found_in(&file.display().to_string(), text, &mut found));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
