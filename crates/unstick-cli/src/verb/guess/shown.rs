//! What `guess` prints: candidates with their evidence, the first frames, and the command to try next.

use serde_json::{Value, json};
use unstick::Result;
use unstick::wire::Role;
use unstick::wire::guess::{Candidate, FirstFrame, Looks};

use crate::count::Count;
use crate::json_lines;
use crate::options::guess::Guess;
use crate::output;
use crate::samples::{Server, port_of};
use crate::sanitize;
use crate::status::Status;
use crate::style::{BOLD, FAINT, styled};

/// Bytes of a frame that are laid out: two rows of a dump.
const LAID_OUT: usize = 32;

/// Columns of a dump, which stands further to the right.
const COLUMNS: usize = 74;

/// Servers of one answer whose addresses are printed.
const NAMED: usize = 3;

/// Prints the guesses. Several servers with the same answer are printed together.
pub fn show(args: &Guess, name: &str, servers: Vec<Server>) -> Result<Status> {
    let is_certain = servers.iter().any(|server| server.guess.certain);
    let text: String = if args.json {
        let mut versioned = false;
        let line = |server: &Server| {
            let mut object = object(args, name, server);
            json_lines::put_version(&mut object, &mut versioned);
            json_lines::line(&object) + "\n"
        };
        servers.iter().map(line).collect()
    } else {
        let colour = output::colour_on(&std::io::stdout());
        let answers: Vec<String> = grouped(servers).iter().map(|group| answer(args, name, group, colour)).collect();
        answers.join("\n")
    };
    let printed = output::print(&text);
    Ok(if is_certain || printed != Status::Done { printed } else { Status::Inconclusive })
}

/// Puts servers with the same answer together, in the order of the first of each.
fn grouped(servers: Vec<Server>) -> Vec<Vec<Server>> {
    let key = |server: &Server| {
        let spec =
            server.guess.candidates.first().filter(|_| server.guess.certain).map(|candidate| candidate.spec.clone());
        (server.guess.certain, spec, server.guess.looks)
    };
    let mut groups: Vec<Vec<Server>> = Vec::new();
    for server in servers {
        let (certain, spec, looks) = key(&server);
        let same = |group: &&mut Vec<Server>| {
            let other = key(&group[0]);
            other.0 == certain && other.1 == spec && (certain || other.2 == looks)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(server),
            None => groups.push(vec![server]),
        }
    }
    groups
}

/// The answer for servers that are alike, with the evidence from the first of them.
fn answer(args: &Guess, name: &str, group: &[Server], colour: bool) -> String {
    let Some(server) = group.first() else { return String::new() };
    let guess = &server.guess;
    let whose = whose(group);
    let mut text = match guess.candidates.first().filter(|_| guess.certain) {
        Some(first) => format!("{}{whose}\n{}", headline(first, colour), details(first, colour)),
        None => {
            let looks = looks(guess.looks);
            format!("{}{whose}\n    {looks}\n    {}\n", styled(colour, "cannot tell", BOLD), guess.needs())
        }
    };
    let others = guess.candidates.iter().skip(usize::from(guess.certain));
    for other in others {
        let evidence = other.evidence.first().map(String::as_str).unwrap_or_default();
        text += &format!("    perhaps {}: {evidence}\n", named(other));
    }
    if let Some(first) = guess.candidates.first() {
        text += &format!("    try: {}\n", command(args, name, server, first));
    }
    text
}

/// Whose framing it is: ` (127.0.0.1:8080; 3 connections, 512 bytes)`.
fn whose(group: &[Server]) -> String {
    let connections: usize = group.iter().map(|server| server.connections).sum();
    let bytes: usize = group.iter().map(|server| server.bytes).sum();
    let addresses: Vec<String> =
        group.iter().filter_map(|server| server.address.as_deref().map(sanitize::line)).collect();
    if addresses.is_empty() {
        return format!(" ({})", Count(bytes, "byte"));
    }
    let more = addresses.len().saturating_sub(NAMED);
    let mut list = addresses[..addresses.len().min(NAMED)].join(", ");
    if more > 0 {
        list += &format!(" and {}", Count(more, "other server"));
    }
    format!(" ({list}; {}, {})", Count(connections, "connection"), Count(bytes, "byte"))
}

fn headline(candidate: &Candidate, colour: bool) -> String {
    styled(colour, &named(candidate), BOLD)
}

/// `http: HTTP/1.0 and 1.1`, or a spec without a name.
fn named(candidate: &Candidate) -> String {
    match candidate.preset {
        Some(preset) => format!("{}: {}", candidate.spec, preset.title),
        None => candidate.spec.clone(),
    }
}

/// The evidence, and the first frames.
fn details(candidate: &Candidate, colour: bool) -> String {
    let mut text: String = candidate.evidence.iter().map(|line| format!("    {line}\n")).collect();
    for frame in &candidate.first {
        let who = match frame.from {
            Role::Client => "client",
            Role::Server => "server",
        };
        text += &format!("    {who}: {}\n", Count(frame.length, "byte"));
        let dump = sanitize::dump(laid_out(frame), COLUMNS, colour);
        text.extend(dump.lines().map(|line| format!("        {line}\n")));
        if frame.length > laid_out(frame).len() {
            text += &format!("        {}\n", styled(colour, "...", FAINT));
        }
    }
    text
}

fn laid_out(frame: &FirstFrame) -> &[u8] {
    &frame.bytes[..frame.bytes.len().min(LAID_OUT)]
}

fn looks(looks: Looks) -> String {
    match looks {
        Looks::Empty => "there are no bytes".to_owned(),
        Looks::Text => "the bytes are text".to_owned(),
        Looks::Random => "the bytes look random: encrypted or compressed".to_owned(),
        Looks::File(format) => format!("the bytes begin a file: {format}"),
        Looks::Unframed(protocol) => format!("the bytes begin like {protocol}, for which there is no framing"),
        _ => "the bytes are binary".to_owned(),
    }
}

/// The command that decodes with this candidate.
fn command(args: &Guess, name: &str, server: &Server, candidate: &Candidate) -> String {
    let spec = &candidate.spec;
    let file = if args.file.is_none() || name == "standard input" { "-".to_owned() } else { quoted(name) };
    match server.address.as_deref().map(port_of) {
        Some(Some(port)) => format!("unstick decode {file} -f {spec} --port {port}"),
        Some(None) => format!("unstick decode {file} -f {spec}"),
        None => format!("unstick decode {file} -f {spec}{}", if args.s2c { " --s2c" } else { "" }),
    }
}

/// A file's name as a word for a shell.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    let name = sanitize::line(name);
    if !name.is_empty() && name.chars().all(plain) { name } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

fn object(args: &Guess, name: &str, server: &Server) -> Value {
    let guess = &server.guess;
    let candidates: Vec<Value> = guess
        .candidates
        .iter()
        .map(|candidate| {
            json!({
                "framing": candidate.spec,
                "preset": candidate.preset.map(|preset| preset.name),
                "title": candidate.preset.map(|preset| preset.title),
                "evidence": candidate.evidence,
                "bits": candidate.bits.round(),
                "command": command(args, name, server, candidate),
            })
        })
        .collect();
    let mut object = json!({
        "event": "guess",
        "certain": guess.certain,
        "looks": looks(guess.looks),
        "connections": server.connections,
        "bytes": server.bytes,
        "candidates": candidates,
    });
    if let Some(address) = &server.address {
        object["server"] = address.as_str().into();
    }
    if !guess.certain {
        object["needs"] = guess.needs().into();
    }
    object
}
