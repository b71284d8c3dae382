//! Tests the project rules that no compiler checks: which crate may use which, forbidden module names, which code may
//! print.
//!
//! If a rule fails here, the source breaks it or ARCHITECTURE.md is out of date. Not here: what lints check.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

mod imports;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest source file in lines. Before it grows over that, it is split.
const LONGEST_FILE: usize = 600;

/// The longest function in lines.
const LONGEST_FUNCTION: usize = 70;

/// Names that say nothing: a module with such a name attracts everything.
const LUMBER: [&str; 7] = ["util", "utils", "common", "helpers", "shared", "constants", "misc"];

/// A file of the tree.
struct Source {
    /// The path from the workspace on.
    path: String,
    text: String,
}

impl Source {
    /// Whether a line outside comments holds this.
    fn says(&self, what: &str) -> bool {
        self.text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| line.contains(what))
    }
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All Rust files below a folder of the workspace.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![home().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(home()).unwrap().to_str().unwrap().to_owned();
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no source");
    found
}

/// Every Rust file that this project has written.
fn all() -> Vec<Source> {
    ["crates", "bench/src", "fuzz"]
        .iter()
        .flat_map(|folder| sources(folder))
        .filter(|source| !source.path.contains("/target/"))
        .collect()
}

/// The names in a section of a manifest.
fn dependencies(manifest: &str, section: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(home().join(manifest)).unwrap();
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line == format!("[{section}]");
        } else if let (true, Some((name, _))) = (inside, line.split_once(" = ")) {
            names.insert(name.to_owned());
        }
    }
    names
}

// ---- crates ----

#[test]
fn arrows_run_from_the_program_over_the_library_to_the_wire() {
    let wire = dependencies("crates/unstick-wire/Cargo.toml", "dependencies");
    assert_eq!(
        wire,
        ["bytes", "memchr", "strsim", "thiserror"].map(str::to_owned).into(),
        "pure: no runtime, no I/O, no randomness"
    );
    let library = dependencies("crates/unstick/Cargo.toml", "dependencies");
    assert!(library.contains("unstick-wire") && !library.contains("unstick-cli") && !library.contains("clap"));
    let program = dependencies("crates/unstick-cli/Cargo.toml", "dependencies");
    let capture = dependencies("crates/unstick-capture/Cargo.toml", "dependencies");
    assert_eq!(capture, ["flate2", "thiserror", "unstick-wire"].map(str::to_owned).into(), "it only reads files");
    assert!(!library.contains("unstick-capture"), "a user of sockets does not build the captures");
    let shake = dependencies("crates/unstick-shake/Cargo.toml", "dependencies");
    assert!(shake.contains("unstick") && !shake.contains("unstick-cli") && !library.contains("unstick-shake"));
    assert!(
        program.contains("unstick") && !program.contains("unstick-wire"),
        "the program sees the wire through the library"
    );
}

/// Crates that a user of TCP and framings builds, at most: the library without its default features.
const FEW_CRATES: usize = 30;

#[test]
fn a_user_of_tcp_and_framings_builds_few_crates() {
    let mut tree = std::process::Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--package", "unstick", "--no-default-features"]);
    let out = tree.args(["--edges", "normal", "--prefix", "none"]).current_dir(home()).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let crates: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("tokio"), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(crates.len() <= FEW_CRATES, "{}: {crates:?}", crates.len());
}

#[test]
fn a_test_suite_that_shakes_builds_neither_tls_nor_web_sockets() {
    let mut tree = std::process::Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--package", "unstick-shake", "--edges", "normal", "--prefix", "none"]);
    let out = tree.current_dir(home()).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let crates: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("similar"), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(!crates.contains("rustls") && !crates.contains("tungstenite"), "{crates:?}");
}

/// A version of Rust, as `1.88` or `1.88.0`.
fn rust(version: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    parts
}

#[test]
fn no_dependency_of_a_library_needs_a_newer_rust_than_the_library() {
    let mut metadata = std::process::Command::new(env!("CARGO"));
    // For one platform only: the crates of others were never downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    metadata.args(["metadata", "--offline", "--format-version", "1", "--filter-platform", &platform]);
    metadata.current_dir(home());
    let out = metadata.output().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let package = |id: &str| metadata["packages"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
    for library in ["unstick-wire", "unstick-capture", "unstick", "unstick-shake"] {
        let root = nodes.iter().find(|node| package(node["id"].as_str().unwrap())["name"] == library).unwrap();
        let own = rust(package(root["id"].as_str().unwrap())["rust_version"].as_str().unwrap());
        let (mut seen, mut open) = (BTreeSet::new(), vec![root["id"].as_str().unwrap()]);
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            if let Some(needs) = package(id)["rust_version"].as_str() {
                assert!(rust(needs) <= own, "{library} declares {own:?}, and {id} needs {needs}");
            }
            let node = nodes.iter().find(|node| node["id"] == id).unwrap();
            for dependency in node["deps"].as_array().unwrap() {
                let kinds = dependency["dep_kinds"].as_array().unwrap();
                if kinds.iter().any(|kind| kind["kind"].is_null()) {
                    open.push(dependency["pkg"].as_str().unwrap());
                }
            }
        }
        assert!(seen.len() > 5, "{library}: {seen:?}");
    }
}

#[test]
fn libraries_forbid_unsafe_code_in_their_first_lines() {
    for library in [
        "crates/unstick-wire/src/lib.rs",
        "crates/unstick-capture/src/lib.rs",
        "crates/unstick/src/lib.rs",
        "crates/unstick-shake/src/lib.rs",
    ] {
        let text = fs::read_to_string(home().join(library)).unwrap();
        assert!(text.contains("\n#![forbid(unsafe_code)]\n"), "{library}");
    }
}

// ---- the waist ----

#[test]
fn services_do_not_import_one_another() {
    let services: BTreeSet<String> = fs::read_dir(home().join("crates/unstick/src/service"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().path().file_stem()?.to_str().map(str::to_owned))
        .filter(|name| name != "run") // What every run has in common.
        .collect();
    assert!(services.len() >= 2, "{services:?}");
    for source in sources("crates/unstick/src/service") {
        let own = source.path.split(['/', '.']).nth(4).unwrap();
        for other in services.iter().filter(|other| *other != own) {
            for way in [format!("service::{other}"), format!("super::{other}"), format!("super::super::{other}")] {
                assert!(!source.says(&way), "{} imports {other}", source.path);
            }
        }
        assert!(!source.says("service::{"), "{}: services are named one by one", source.path);
    }
}

#[test]
fn endpoints_know_no_framings_no_links_and_no_services() {
    for source in sources("crates/unstick/src/endpoint") {
        for upwards in ["unstick_wire", "crate::link", "crate::service"] {
            assert!(!source.says(upwards), "{} knows {upwards}", source.path);
        }
    }
}

#[test]
fn links_know_no_service_and_no_single_transport() {
    for source in sources("crates/unstick/src/link") {
        for other in
            ["crate::service", "endpoint::tcp", "endpoint::udp", "endpoint::mem", "endpoint::stdio", "tokio::net"]
        {
            assert!(!source.says(other), "{} knows {other}", source.path);
        }
    }
}

#[test]
fn every_transport_is_opened_suited_and_documented() {
    let endpoints = fs::read_to_string(home().join("crates/unstick/src/endpoint.rs")).unwrap();
    let opened = endpoints.lines().filter(|line| line.trim_start().starts_with("Address::"));
    let opened: BTreeSet<&str> = opened
        .filter_map(|line| {
            let opening = line.split_once("=> ")?.1;
            let (module, call) = opening.strip_prefix("Box::pin(").unwrap_or(opening).split_once("::")?;
            (call.starts_with("connect(") || call.starts_with("open(")).then_some(module)
        })
        .collect();
    let suite = fs::read_to_string(home().join("crates/unstick/tests/all/main.rs")).unwrap();
    let lines: Vec<(&str, &str)> = suite
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("endpoint_suite!(")?.split_once(", \"")?;
            Some((name, rest.split('"').next()?))
        })
        .collect();
    assert_eq!(opened, lines.iter().map(|(name, _)| *name).collect(), "opened in endpoint.rs, and in the suite");
    let reference = fs::read_to_string(home().join("docs/reference.md")).unwrap();
    let table =
        reference.split("\n## Endpoints\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a table");
    for (name, address) in lines {
        assert!(home().join(format!("crates/unstick/src/endpoint/{name}.rs")).exists(), "{name} has no file");
        let scheme =
            address.split_inclusive("://").next().unwrap_or_default().split_inclusive(':').next().unwrap_or_default();
        let row = table.lines().find(|line| line.starts_with(&format!("| `{scheme}")));
        assert!(row.is_some_and(|row| row.ends_with("| works |")), "{name} ({scheme}) has no row in docs/reference.md");
    }
}

/// Limits that no test crosses yet. The list may only get shorter.
const UNCROSSED: [&str; 0] = [];

#[test]
fn every_limit_of_the_library_is_named_by_a_test() {
    let tests = ["unstick", "unstick-capture", "unstick-shake", "unstick-cli"];
    let tests: Vec<Source> = tests.iter().flat_map(|name| sources(&format!("crates/{name}/tests"))).collect();
    let tests: Vec<&Source> = tests.iter().filter(|source| !source.path.ends_with("/tree.rs")).collect();
    let limits = ["unstick", "unstick-capture", "unstick-shake"].map(|name| format!("crates/{name}/src/limits.rs"));
    let limits = limits.map(|path| fs::read_to_string(home().join(path)).unwrap()).concat();
    let names = limits.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    let crossed = |name: &str| tests.iter().any(|test| test.text.contains(name)) || UNCROSSED.contains(&name);
    for name in names {
        assert!(crossed(name), "{name}: a limit that no test names, and so no peer crosses");
    }
}

#[test]
fn the_map_has_every_module() {
    let map = fs::read_to_string(home().join("ARCHITECTURE.md")).unwrap();
    let program = ["", "/verb", "/options", "/frontend"].map(|folder| format!("crates/unstick-cli/src{folder}"));
    for folder in
        ["crates/unstick-wire/src", "crates/unstick-capture/src", "crates/unstick/src", "crates/unstick-shake/src"]
            .iter()
            .copied()
            .chain(program.iter().map(String::as_str))
    {
        for entry in fs::read_dir(home().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap().to_owned();
            if name != "lib" && name != "main" {
                let known = map.contains(&format!("`{name}`")) || map.contains(&format!("`{name}/"));
                assert!(known, "ARCHITECTURE.md says nothing of {folder}/{name}");
            }
        }
    }
}

// ---- every file ----

#[test]
fn no_module_is_a_lumber_room() {
    for source in all() {
        let stem = Path::new(&source.path).file_stem().unwrap().to_str().unwrap();
        let folders = source.path.split('/');
        for name in folders.chain([stem]) {
            assert!(!LUMBER.contains(&name), "{}", source.path);
        }
        let inner = source.text.lines().filter_map(|line| line.trim_start().strip_prefix("mod "));
        for name in inner.filter_map(|rest| rest.split([' ', ';']).next()) {
            assert!(!LUMBER.contains(&name), "{} has a module {name}", source.path);
        }
    }
}

#[test]
fn files_open_with_their_one_job_and_end_in_time() {
    for source in all() {
        assert!(source.text.starts_with("//! "), "{} does not say what it is for", source.path);
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines: it wants to be two", source.path);
    }
}

#[test]
fn functions_end_in_time() {
    for source in all() {
        let mut begun: Vec<(usize, usize, &str)> = Vec::new();
        for (number, line) in source.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            if is_function(line.trim_start()) {
                begun.push((indent, number, line));
            } else if line.trim_end() == format!("{}}}", " ".repeat(indent))
                && let Some((_, first, name)) = begun.pop_if(|(outer, ..)| *outer == indent)
            {
                let length = number + 1 - first;
                assert!(length <= LONGEST_FUNCTION, "{}: {length} lines: {}", source.path, name.trim());
            }
            if line.trim_end().ends_with("}") && is_function(line.trim_start()) {
                begun.pop(); // It stands on one line.
            }
        }
    }
}

fn is_function(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().take(6).collect();
    let before = |word: &&str| ["pub", "async", "const", "unsafe"].contains(word) || word.starts_with("pub(");
    words.iter().find(|word| !before(word)) == Some(&"fn") && !line.trim_end().ends_with(';')
}

// ---- printing ----

#[test]
fn only_output_prints_and_only_the_text_queue_writes_to_the_terminal() {
    let libraries =
        ["crates/unstick-wire/src", "crates/unstick-capture/src", "crates/unstick/src", "crates/unstick-shake/src"];
    for source in libraries.iter().flat_map(|library| sources(library)) {
        for word in ["println!", "eprintln!", "stdout().lock()", "stderr().lock()", "process::exit"] {
            assert!(!source.says(word), "{} has {word}: a library does not print", source.path);
        }
    }
    for source in sources("crates/unstick-cli/src") {
        let name = source.path.strip_prefix("crates/unstick-cli/src/").unwrap();
        assert!(name == "output.rs" || !source.says("clippy::print_"), "{name} allows itself to print");
        assert!(name == "output.rs" || !source.says("process::exit"), "{name} exits");
        let writes = ["stdout().lock()", "stderr().lock()", "io::write("].iter().any(|way| source.says(way));
        assert!(!writes || ["output.rs", "text_queue.rs"].contains(&name), "{name} writes past the queue");
    }
}

// ---- tests ----

#[test]
fn tests_wait_for_events_not_for_time() {
    for source in all().iter().filter(|source| source.path.contains("/tests/") && !source.path.ends_with("/tree.rs")) {
        assert!(!source.says("thread::sleep"), "{} sleeps: wait for what is to happen", source.path);
        for host in ["127.0.0.1:", "localhost:", "[::1]:", "[::]:", "0.0.0.0:", "tcp://:", "udp://:"] {
            for port in source.text.split(host).skip(1) {
                let digits = port.bytes().take_while(u8::is_ascii_digit).count();
                assert!(digits < 2, "{}: {host}{}: let the system pick the port", source.path, &port[..digits]);
            }
        }
        let paused = source.says("start_paused") || source.says("time::pause");
        assert!(paused || !source.says("sleep("), "{} sleeps while time passes", source.path);
        assert!(!source.says("#[ignore"), "{} skips a test", source.path);
    }
}
