//! Tests that common options behave as in other programs: `-q`, `-4`, `-6`, `--color`, `-V`.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::rig::{Peer, Process, Terminal, connect, program, unstick};

// The build script finds the commit; it is tried here, where a file can be missing.
#[allow(dead_code)]
#[path = "../../build.rs"]
mod build_script;

// ---- quiet ----

#[test]
fn quiet_prints_messages_and_errors_only() {
    for (quiet, told) in [(&["-q"][..], false), (&[][..], true), (&["--quiet", "-v"], true), (&["-v", "-q"], false)] {
        let arguments = [&["listen", "127.0.0.1:0", "--json", "--count", "1"], quiet].concat();
        let mut listener = unstick(&arguments);
        let event: Value = serde_json::from_str(&listener.line()).expect("JSON");
        let port = event["address"].as_str().and_then(|address| address.rsplit(':').next()?.parse().ok());
        Peer::connect(port.expect("a port")).says("hello\n");
        assert!(listener.rest().contains("hello"));
        assert_eq!((listener.code(), listener.errors().contains("listening on")), (0, told), "{arguments:?}");
    }
    connect(&["-q", "-f", "u8"]).meets(|mut peer| peer.says("\u{5}half")).is(
        5,
        "",
        "unstick: the stream ended 5 bytes into a 6-byte frame; 1 bytes short: does the peer's length count itself? try adj=-1\n  5 bytes of an unfinished message had arrived: \"\\x05half\"\n",
    );
}

#[test]
fn a_quiet_terminal_shows_no_one_come_and_go() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let mut terminal = Terminal::unstick(&["connect", "-q", &address], 80);
    let mut peer = Peer::accept(&server);
    peer.says("hello\n");
    terminal.ends_with(&["1> hello", ">"]);
    assert!(!terminal.written_up_to("hello").contains("connected"));
    terminal.types("/quit\r");
    assert_eq!(terminal.code(), 0);
}

// ---- families ----

#[test]
fn a_family_of_addresses_can_be_chosen() {
    for (family, only) in [("-4", "tcp://127.0.0.1:"), ("--ipv6", "tcp://[::1]:")] {
        let mut listener = unstick(&["listen", ":0", "--json", family]);
        let event: Value = serde_json::from_str(&listener.line()).expect("JSON");
        let addresses: Vec<&str> = event["addresses"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(matches!(addresses[..], [one] if one.starts_with(only)), "{family}: {addresses:?}");
        let port = addresses[0].rsplit(':').next().unwrap().to_owned();
        assert_eq!(end(&["ask", &format!(":{port}"), "hi", family, "--deadline", "1ms"]).0, 4, "{family}");
    }
    let (status, _, said) = end(&["ask", "-6", "-4", "[::1]:9", "hi"]);
    assert_eq!((status, &*said), (3, "unstick: ::1 has no IPv4 address\n"), "the last one counts");
    let (status, _, said) = end(&["ask", "udp://127.0.0.1:9", "hi", "-6"]);
    assert_eq!((status, &*said), (3, "unstick: 127.0.0.1 has no IPv6 address\n"));
    let (status, _, said) = end(&["connect", "-4", "unix:/nowhere"]);
    assert_eq!(status, 2);
    assert!(said.contains("-4 and -6 are for addresses with a host, not for unix:/nowhere"), "{said}");
}

// ---- colour ----

#[test]
fn colour_is_where_it_is_asked_for() {
    for (option, variables, colour) in [
        (&[][..], &[][..], false),
        (&["--color", "always"], &[], true),
        (&["--color=always"], &[("NO_COLOR", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "0")], false),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
        (&["--color", "always", "--color", "auto"], &[], false),
    ] {
        // An argument that clap refuses, one that is refused later, and help.
        for (words, has_colour) in
            [(&["listen", "--bogus"][..], colour), (&["framings", "lin"], colour), (&["lab", "--help"], colour)]
        {
            let mut command = program();
            command.args(words).args(option).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
            let mut process = Process::start(command.envs(variables.iter().copied()));
            let text = process.rest() + &process.errors();
            assert_eq!(text.contains('\x1b'), has_colour, "{words:?} {option:?} {variables:?}: {text:?}");
        }
    }
}

#[test]
fn what_passes_is_dumped_in_colours_that_say_nothing_of_their_own() {
    for (arguments, some) in [
        (
            &["connect", r"exec:printf 'hi\001'; head -c 3 > /dev/null", "--to", "exec:cat", "--dump"][..],
            "\x1b[36mc2s\x1b[0m",
        ),
        (&["connect", r"exec:printf '\003hi\001'", "-f", "u8", "-x"], "\x1b[32m 68 69 \x1b[0m\x1b[2m01 \x1b[0m"),
    ] {
        let (_, coloured, _) = end(&[arguments, &["--color", "always"]].concat());
        assert!(coloured.contains(some), "{arguments:?}: {coloured:?}");
        let codes = ["\x1b[0m", "\x1b[2m", "\x1b[32m", "\x1b[35m", "\x1b[36m"];
        let plain = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
        let (_, text, _) = end(&[arguments, &["--color", "never"]].concat());
        let without_times =
            |text: &str| text.lines().map(|line| line.replace(|c: char| c.is_ascii_digit(), "0")).collect::<Vec<_>>();
        let (mut plain, mut text) = (without_times(&plain), without_times(&text));
        // The two directions of a bridge may be reported in any order.
        plain.sort();
        text.sort();
        assert_eq!(plain, text, "{arguments:?}");
    }
}

// ---- the mode of a pipe ----

#[test]
fn a_person_is_told_of_a_raw_pipe_and_a_script_is_not() {
    const TOLD: &str = "raw pipe, one connection: standard input is not a terminal; -f makes messages of it";
    let mut terminal = Terminal::shell(120);
    terminal.ends_with(&["$"]);
    for (options, told) in [("", true), ("-f raw", false), ("-q", false)] {
        terminal.types(format!("clear; echo {told}{options} | \"$UNSTICK\" connect exec:cat {options}\r"));
        terminal.ends_with(&[&format!("{told}{options}"), "$"]);
        assert_eq!(terminal.rows().iter().any(|row| row.contains(TOLD)), told, "{options}: {:?}", terminal.rows());
    }
    terminal.types("exit\r");
    assert_eq!(terminal.code(), 0);
    assert_eq!(end(&["connect", "exec:echo hi"]), (0, "hi\n".into(), String::new()));
}

// ---- the version ----

#[test]
fn the_version_names_commit_and_features() {
    let (status, text, said) = end(&["-V"]);
    assert_eq!((status, &*said), (0, ""));
    assert_eq!(end(&["--version"]).1, text);
    let first = format!("unstick {} (", env!("CARGO_PKG_VERSION"));
    assert!(text.starts_with(&first) && text.lines().next().unwrap().ends_with(')'), "{text}");
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let own =
        manifest.split("\nunstick = {").nth(1).and_then(|rest| rest.split('[').nth(1)?.split(']').next()).unwrap();
    let built: Vec<&str> = own.split('"').skip(1).step_by(2).collect();
    let told: Vec<&str> =
        text.lines().nth(1).and_then(|line| line.strip_prefix("features: ")).unwrap().split(' ').collect();
    assert_eq!(told.len(), built.len(), "{told:?} for {built:?}");
    assert!(built.iter().all(|feature| told.contains(feature)), "{told:?} for {built:?}");
}

#[test]
fn a_package_and_a_checkout_know_their_commit() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!((build_script::packaged(folder.path()), build_script::checked_out(folder.path())), (None, None));
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let written =
        format!("{{\n  \"git\": {{\n    \"sha1\": \"{commit}\"\n  }},\n  \"path_in_vcs\": \"crates/unstick-cli\"\n}}");
    fs::write(folder.path().join(".cargo_vcs_info.json"), written).unwrap();
    assert_eq!(build_script::packaged(folder.path()).as_deref(), Some(commit));
    fs::write(folder.path().join("build.rs"), "").unwrap();
    let git = |arguments: &[&str]| {
        let author = ["-c", "user.name=n", "-c", "user.email=n@example.org"];
        let mut command = std::process::Command::new("git");
        let output = command.arg("-C").arg(folder.path()).args(author).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    assert_eq!(build_script::checked_out(folder.path()), None, "another project's checkout does not have the file");
    git(&["add", "build.rs"]);
    git(&["commit", "-qm", "one"]);
    assert_eq!(build_script::checked_out(folder.path()), Some(git(&["rev-parse", "HEAD"])));
}

/// How a run without input ends: status, standard output, standard error.
fn end(arguments: &[&str]) -> (i32, String, String) {
    let mut process = unstick(arguments);
    process.end_input();
    (process.code(), process.rest(), process.errors())
}
