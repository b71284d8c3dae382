//! Tests the config file: options for every run, one a line.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::path::Path;

use crate::rig::{Process, program, temporary};

/// How a run with this file ends: status, standard output, standard error.
fn run(file: &str, arguments: &[&str]) -> (i32, String, String) {
    let home = temporary();
    fs::create_dir(home.path().join("unstick")).unwrap();
    fs::write(home.path().join("unstick/config"), file).unwrap();
    run_with(&[("XDG_CONFIG_HOME", home.path())], arguments)
}

fn run_with(variables: &[(&str, &Path)], arguments: &[&str]) -> (i32, String, String) {
    let mut command = program();
    command.args(arguments).env_remove("UNSTICK_CONFIG").envs(variables.iter().copied());
    let mut process = Process::start(&mut command);
    process.end_input();
    (process.code(), process.rest(), process.errors())
}

/// Returns the text of the error after the name of the file.
fn error(file: &str, arguments: &[&str]) -> String {
    let (status, text, said) = run(file, arguments);
    assert_eq!((status, &*text), (2, ""), "{said}");
    let (name, rest) = said.split_once("/unstick/config:").unwrap_or_else(|| panic!("no file in {said}"));
    assert!(name.starts_with("unstick: /"), "{said}");
    rest.to_owned()
}

#[test]
fn a_line_is_an_option_and_what_is_typed_goes_before() {
    let ask = ["ask", "exec:cat", "hi", "--io", "hex"];
    assert_eq!(run("", &ask).1, "6869\n");
    for file in ["--io raw", "--io=raw\n", "# mine\n\n  --io=raw\r\n", "-f u8\n--deadline 5s\n"] {
        assert_eq!(run(file, &ask), (0, "6869\n".into(), String::new()), "{file}");
        assert_eq!(run(file, &["ask", "exec:cat", "hi"]).1.trim_end(), "hi", "{file}");
    }
    let echo = ["ask", "exec:cat", "hi"];
    assert_eq!(run("--io hex", &echo).1, "6869\n");
    assert_eq!(run("--io hex\n", &[&echo[..], &["--no-config"]].concat()).1, "hi\n");
    assert_eq!(run("--color=always", &["framings", "lin"]).2.chars().next(), Some('\x1b'));
    assert_eq!(run("--color=always", &["framings", "lin", "--color", "never"]).2.chars().next(), Some('u'));
}

#[test]
fn an_option_of_another_verb_is_passed_over_and_one_of_none_is_refused() {
    // `--time` is a switch of connect and takes a time in shake; -f is no option of lab.
    for (file, arguments) in [
        ("--junit report.xml\n--depth 9\n", &["ask", "exec:cat", "hi"][..]),
        ("--time 10s\n", &["connect", "exec:echo hi"]),
        ("--time\n-f line\n--max-peers 3", &["lab", "split"]),
    ] {
        assert_eq!((run(file, arguments).0, run(file, arguments).2), (0, String::new()), "{file}");
    }
    for (file, said) in [
        ("--colr=always", "1: no verb has an option --colr\n  hint: --no-config leaves the file out\n"),
        ("\n\n--deadline", "3: --deadline needs a value\n"),
        ("# x\n-x yes", "2: -x takes no value, but `yes` follows it\n"),
        ("u32be", "1: `u32be` is not an option\n  hint: a line is one option, such as --color=never or -f u32be\n"),
        ("--\n", "1: `--` is not an option\n"),
        ("--help", "1: no verb has an option --help\n"),
    ] {
        let told = error(file, &["framings"]);
        assert!(told.starts_with(said), "{file}: {told}");
    }
}

#[test]
fn a_line_that_does_not_go_with_what_is_typed_is_named() {
    for (file, arguments, said) in [
        ("-4\n--json\n", &["connect", ":1", "--io", "hex"][..], "2: --json and --io exclude each other\n"),
        ("--idle 5x", &["connect", ":1"], "1: --idle cannot be `5x`\n"),
        ("--color=blue", &["framings"], "1: --color cannot be `blue`\n"),
        ("-f lines", &["ask", ":1", "hi"], "1: there is no framing `lines`\n"),
        ("--io hax", &["ask", ":1", "hi"], "1: --io hax: there is no framing `hax`\n"),
    ] {
        let told = error(file, arguments);
        assert!(told.starts_with(said) && told.contains("  hint: --no-config leaves the file out\n"), "{file}: {told}");
    }
    let (_, _, said) = run("--json", &["connect", ":1", "--bogus"]);
    assert!(said.starts_with("unstick: connect has no option --bogus\n"), "the file is not to blame: {said}");
}

#[test]
fn another_file_can_be_named_and_none() {
    let folder = temporary();
    let file = folder.path().join("mine");
    fs::write(&file, "--io hex").unwrap();
    let ask = ["ask", "exec:cat", "hi"];
    let with = |path: &Path| run_with(&[("UNSTICK_CONFIG", path)], &ask);
    assert_eq!(with(&file).1, "6869\n");
    assert_eq!(with(Path::new("")).1, "hi\n");
    let missing = folder.path().join("missing");
    let (status, _, said) = with(&missing);
    assert_eq!(status, 2);
    assert!(said.starts_with(&format!("unstick: {}: no such file or directory\n", missing.display())), "{said}");
    assert_eq!(run_with(&[("UNSTICK_CONFIG", &missing)], &["-V"]).0, 0, "without a verb no file is read");
    fs::write(&file, vec![b'#'; 64 << 10]).unwrap();
    assert_eq!(with(&file).0, 0);
    fs::write(&file, vec![b'#'; (64 << 10) + 1]).unwrap();
    assert!(with(&file).2.contains(": over 64 KiB, the largest file of options\n"), "MAX_CONFIG");
    fs::write(&file, b"--send \xff").unwrap();
    assert!(with(&file).2.contains(": not text in UTF-8\n"));
}
