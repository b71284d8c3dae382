//! The rules for framings in this project: compares files, table, suite and examples.

use std::collections::BTreeSet;

use unstick_wire::{FRAMINGS, Framing};

use crate::suite::ROWS;

/// The names of the consts of type `Row` in the files below `src/framing`.
#[allow(clippy::disallowed_methods)] // A test reads the source that it is about.
fn declared() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/framing");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for (at, _) in source.match_indices("> = Row {") {
            let name = source[at..].split("name: \"").nth(1).unwrap().split('"').next().unwrap();
            found.insert(name.to_string());
        }
    }
    found
}

#[test]
fn files_table_and_suite_hold_the_same_framings() {
    let table: BTreeSet<String> = FRAMINGS.iter().map(|entry| entry.name.to_string()).collect();
    let suite: BTreeSet<String> = ROWS.iter().map(|row| row.name.to_string()).collect();
    assert_eq!(table.len(), FRAMINGS.len(), "a name stands twice in the table");
    assert_eq!(suite.len(), ROWS.len(), "a name stands twice in the suite");
    assert_eq!(declared(), table, "files and table");
    assert_eq!(table, suite, "table and suite");
}

#[test]
fn every_entry_is_written_as_the_reference_needs_it() {
    for entry in FRAMINGS {
        assert!(!entry.examples.is_empty(), "{}", entry.name);
        assert!(!entry.frame.is_empty() && !entry.frame.ends_with('.'), "{}", entry.frame);
        for spec in entry.examples {
            let framing = Framing::parse(spec).unwrap_or_else(|error| panic!("{spec}: {error}"));
            assert_eq!(framing.keeps_boundaries(), entry.keeps_boundaries, "{spec}");
        }
        let first = entry.syntax.split(['[', ' ', ':']).next().unwrap();
        assert!(entry.name.starts_with(first) || entry.name.starts_with('['), "{} is written {}", entry.name, first);
    }
}

/// The table of framings in the crate's documentation: `framings.md` beside its sources.
#[test]
#[allow(clippy::disallowed_methods)] // A test reads the file that it is about.
fn the_table_in_the_documentation_is_fresh() {
    let mut table = String::from("| spec | a frame |\n|---|---|\n");
    for framing in FRAMINGS {
        let cell = |text: &str| text.replace('|', "\\|");
        table += &format!("| `{}` | {} |\n", cell(framing.syntax), cell(framing.frame));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/framings.md");
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(written, table, "{path}: write this table into it");
}
