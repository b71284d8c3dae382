//! Translates options and verbs of nc, socat and other tools into the command of unstick that does the same.

/// Verbs that other tools have, and what does the same here.
const VERBS: &[(&[&str], &str)] = &[
    (&["serve", "server", "bind", "accept"], "unstick listen ADDRESS"),
    (&["client", "open", "dial", "nc", "netcat", "ncat", "socat", "websocat", "telnet"], "unstick connect ADDRESS"),
    (&["send", "request", "query", "call"], "unstick ask ADDRESS MESSAGE"),
    (&["proxy", "bridge", "forward", "relay", "tunnel"], "unstick listen ADDRESS --to ADDRESS"),
    (&["dump", "sniff", "tap", "record"], "unstick listen ADDRESS --to ADDRESS --dump"),
    (&["test", "check", "fuzz"], "unstick shake --to ADDRESS"),
];

/// Returns the hint for a verb that another tool has.
pub(super) fn verb(name: &str) -> Option<String> {
    let (_, command) = VERBS.iter().find(|(names, _)| names.contains(&name))?;
    Some(format!("write {command}"))
}

/// Returns the command that `-l 8080` or `-u host 53` stands for, typed as for nc.
pub(super) fn command(words: &[String]) -> Option<String> {
    let is_flags = |word: &&String| word.starts_with('-') && !word.starts_with("--") && word.len() > 1;
    let flags: String = words.iter().filter(is_flags).flat_map(|word| word.chars().skip(1)).collect();
    let long = |name: &str| words.iter().any(|word| word == name);
    let address: Vec<&str> = words.iter().filter(|word| !word.starts_with('-')).map(String::as_str).collect();
    // Anything that begins with a dash is an option. The rest must be an address for the command to be valid.
    let fits = matches!(address[..], [_] | [_, _]) && address.iter().all(|word| is_plain(word));
    let known = !flags.is_empty() && flags.chars().all(|flag| "lukvnpdz46NU".contains(flag)) || long("--listen");
    if !fits || !known || flags.contains('z') {
        return None;
    }
    let verb = if flags.contains('l') || long("--listen") { "listen" } else { "connect" };
    let at = match (&address[..], flags.contains('u'), flags.contains('U')) {
        ([path], _, true) => format!("unix:{path}"),
        ([port], true, _) => format!("udp://:{port}"),
        ([port], false, _) => (*port).to_owned(),
        (more, true, _) => format!("udp://{}", more.join(":")),
        (more, false, _) => more.join(" "),
    };
    Some(format!("write unstick {verb} {at}"))
}

fn is_plain(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-_[]/@".contains(&byte))
}

/// Returns the hint for an nc option that follows one of our verbs.
pub(super) fn option(arg: &str, verb: &str) -> Option<String> {
    let hint = match (arg, verb) {
        ("-l", "connect") => "unstick listen ADDRESS waits for clients",
        ("-l" | "-k", "listen") => "listen waits for one client after the other already",
        ("-p", "listen") => "the port is the address: unstick listen 8080",
        ("-p", "connect" | "ask") => "--source :PORT connects from a port of this machine",
        ("-u", "listen" | "connect" | "ask") => "write udp:// in front of the host",
        ("-U", "listen" | "connect" | "ask") => "write unix: in front of the path",
        ("-w", "connect" | "ask") => "--connect-timeout TIME is for connecting, --deadline TIME for all of it",
        ("-i", "connect" | "listen") => "--idle TIME ends a run in which nothing passes",
        ("-e" | "-c", "listen") => "--each COMMAND answers a message, and --to exec:COMMAND a connection",
        ("-N", "connect" | "listen") => "--half-close now shuts down the sending side at the end of input",
        ("--no-half-close", "connect" | "listen" | "ask") => "--half-close never keeps the sending side open",
        ("--half-close", "shake") => "--no-half-close keeps the sending side open",
        ("-d", "connect" | "listen") => "--no-stdin reads no input",
        ("-x" | "-X", "connect" | "ask") => "--proxy URL connects through a proxy",
        ("-s", "connect" | "ask") => "--source IP connects from an address of this machine",
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_others_have_lead_to_ours() {
        for (typed, verb, option) in [
            ("-N", "connect", "--half-close now"),
            ("-N", "listen", "--half-close now"),
            ("--no-half-close", "connect", "--half-close never"),
            ("--half-close", "shake", "--no-half-close"),
            ("-d", "listen", "--no-stdin"),
        ] {
            assert!(super::option(typed, verb).is_some_and(|hint| hint.starts_with(option)), "{verb} {typed}");
        }
    }

    #[test]
    fn commands_of_nc_become_ours() {
        let meant = |line: &str| command(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for (typed, written) in [
            ("-l 8080", "write unstick listen 8080"),
            ("-lk 8080", "write unstick listen 8080"),
            ("-l -p 8080", "write unstick listen 8080"),
            ("-lu 0.0.0.0 53", "write unstick listen udp://0.0.0.0:53"),
            ("-u host 53", "write unstick connect udp://host:53"),
            ("-lu 53", "write unstick listen udp://:53"),
            ("-v host 80", "write unstick connect host 80"),
            ("-lU /tmp/x", "write unstick listen unix:/tmp/x"),
            ("--listen 8080", "write unstick listen 8080"),
        ] {
            assert_eq!(meant(typed).as_deref(), Some(written), "{typed}");
        }
        for typed in ["-l", "-z host 80", "-q host 80", "--json 80", "-l a b c", "-l $(x)"] {
            assert_eq!(meant(typed), None, "{typed}");
        }
    }
}
