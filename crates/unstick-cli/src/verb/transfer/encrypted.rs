//! `send` and `receive` with TLS: files and directories, a ticket as invitation, resumed after a cut.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use unstick::service::transfer::{
    self, Inbox, Invitation, Listing, Observer, Outgoing, Outlet, Tally, Ticket, Transfer,
};
use unstick::wire::transfer::Kind;
use unstick::{Error, Options, Result};

use super::question::Question;
use super::report::Report;
use crate::args;
use crate::count::Count;
use crate::options::proxy;
use crate::options::transfer::{OverwriteArg, TransferArgs};
use crate::status::Status;
use crate::{output, sanitize, user_folders};

/// Most bytes of standard input to read for a ticket.
const LONGEST_TICKET: u64 = 8 << 10;

pub(super) async fn send(args: args::Send) -> Result<Status> {
    check(&args.transfer)?;
    let (roots, stream) = split_stream(args.files)?;
    if stream && args.to.as_deref() == Some("-") {
        return Err(Error::usage("standard input is either the ticket or the file")
            .with_hint("put the ticket into UNSTICK_TICKET, and write --to env"));
    }
    let mut listing = Listing::new().links(args.links.unwrap_or_default().into());
    for pattern in &args.exclude {
        listing = listing.exclude(pattern)?;
    }
    if stream {
        let name = args.name.unwrap_or_else(|| "stdin".into());
        listing = listing.stream(&name, std::io::stdin());
        output::notice(&format!(
            "standard input is sent as {}; it cannot be continued after a cut",
            sanitize::line(&name.to_string_lossy())
        ));
    } else if args.name.is_some() {
        return Err(Error::usage("--name is the name of standard input: give - as a FILE, too"));
    }
    let files = listing.list(&roots)?;
    tell_left_out(&files);
    if args.transfer.dry_run {
        let report = Report::new(&args.transfer);
        let mut entries = files.entries().iter();
        entries.try_for_each(|entry| report.offered(entry.kind, &entry.path, entry.size))?;
        return Ok(Status::Done);
    }
    // A stream cannot be read again, so there is no use in keeping the ticket for another run.
    let state = state_directory().filter(|_| !stream).map(|folder| folder.join(format!("send-{}", files.id())));
    run(Transfer::Send(Arc::new(files)), args.to.as_deref(), state, &args.transfer, "unstick receive --from").await
}

/// Splits the arguments into paths and `-`, which means standard input.
fn split_stream(files: Vec<PathBuf>) -> Result<(Vec<PathBuf>, bool)> {
    let count = files.len();
    let roots: Vec<_> = files.into_iter().filter(|file| file.as_os_str() != "-").collect();
    match count - roots.len() {
        0 => Ok((roots, false)),
        1 => Ok((roots, true)),
        _ => Err(Error::usage("standard input can be sent once: name - once")),
    }
}

/// Most skipped paths that one notice names.
const NAMED: usize = 3;

fn tell_left_out(files: &Outgoing) {
    let skipped = files.skipped();
    let names: Vec<_> = skipped.iter().take(NAMED).map(|path| sanitize::line(&path.to_string_lossy())).collect();
    if !names.is_empty() {
        let more = match skipped.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        output::notice(&format!(
            "not sent: {}{more}; only files and directories are sent (--links keep or follow sends links, too)",
            names.join(", ")
        ));
    }
    if files.excluded() > 0 {
        output::notice(&format!("--exclude leaves out {}", Count(files.excluded(), "path")));
    }
}

pub(super) async fn receive(args: args::Receive) -> Result<Status> {
    check(&args.transfer)?;
    if !args.get.is_empty() {
        return Err(Error::usage("--get is for the plain protocol, with --from ADDRESS --plain"));
    }
    let directory = args.directory.unwrap_or_else(|| PathBuf::from("."));
    let (transfer, state) = match () {
        () if args.transfer.dry_run => (Transfer::Look, None),
        () if directory.as_os_str() == "-" => {
            if args.transfer.json {
                return Err(Error::usage("standard output is either the file or the events of --json"));
            }
            let output = std::io::stdout().as_fd().try_clone_to_owned();
            let output =
                output.map_err(|error| Error::other(format!("standard output: {}", output::reason(&error))))?;
            (Transfer::ReceiveInto(Arc::new(Outlet::new(output.into()))), None)
        }
        () => {
            let overwrite = args.overwrite.unwrap_or_default();
            let mut inbox = Inbox::open(directory, overwrite.into())?.verify(args.verify);
            if overwrite == OverwriteArg::Ask {
                let question = Question::new()?;
                inbox = inbox.ask(move |entry, there| question.ask(entry, there));
            }
            // A side that was given a ticket makes none, so it has no state to keep.
            let state = if args.from.is_none() { Some(inbox.state_file()?) } else { None };
            (Transfer::Receive(Arc::new(inbox)), state)
        }
    };
    run(transfer, args.from.as_deref(), state, &args.transfer, "unstick send FILE... --to").await
}

/// Refuses options that only the plain protocol has.
fn check(args: &TransferArgs) -> Result<()> {
    let name = match args {
        args if args.count.is_some() => "--count",
        args if args.retry.is_some() => "--retry",
        _ => return Ok(()),
    };
    Err(Error::usage(format!("{name} is for the plain protocol, with --plain")))
}

/// Connects if there is a ticket. Otherwise makes a ticket and waits. `line`: the command to type before the ticket on
/// the other side.
async fn run(
    transfer: Transfer,
    ticket: Option<&str>,
    state: Option<PathBuf>,
    args: &TransferArgs,
    line: &str,
) -> Result<Status> {
    let mut options = args.options();
    if args.listen.is_some() && ticket.is_some() {
        return Err(Error::usage("--listen waits for the other side, and a ticket connects to it: use one of them"));
    }
    let ticket = ticket.map(read).transpose()?;
    match &ticket {
        Some(ticket) => proxy::through_to_ticket(&args.proxy, &ticket.addresses, &mut options)?,
        None if args.proxy.proxy.is_some() => {
            return Err(Error::usage("--proxy is for connecting: this side waits"));
        }
        None => {}
    }
    let mut report = Report::new(args);
    if matches!(transfer, Transfer::ReceiveInto(_)) {
        report.leave_stdout();
    }
    let report = Arc::new(report);
    let observer = Arc::clone(&report).observer();
    // A signal drops this future, and with it the guard.
    let guard = Unfinished { report: &report, continues: continues(&transfer), over: false };
    let tally = match ticket {
        Some(ticket) => transfer::connect(&transfer, &ticket, &options, args.pacing(), &observer).await,
        None => wait(&transfer, args, state, &options, &report, &observer, line).await,
    };
    guard.over();
    if let Some(error) = report.failure() {
        return Err(error);
    }
    Ok(match tally? {
        Tally { failed: 0, .. } => Status::Done,
        Tally { mismatched: 0, .. } => Status::Failed,
        _ => Status::Check,
    })
}

/// Whether the same command continues this transfer after its end. What was read from standard input is gone.
fn continues(transfer: &Transfer) -> bool {
    match transfer {
        Transfer::Send(files) => files.entries().iter().all(|entry| entry.kind != Kind::Stream),
        Transfer::Receive(_) => true,
        Transfer::ReceiveInto(_) | Transfer::Look => false,
    }
}

/// Held while a transfer runs. If a signal ends it, says how to continue.
struct Unfinished<'a> {
    report: &'a Report,
    continues: bool,
    over: bool,
}

impl Unfinished<'_> {
    fn over(mut self) {
        self.over = true;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.report.end();
        if !self.over && self.continues {
            self.report.interrupted();
        }
    }
}

/// Where a side waits without `--listen`: at every address, on a port that the system picks.
const ANYWHERE: &str = ":0";

async fn wait(
    transfer: &Transfer,
    args: &TransferArgs,
    state: Option<PathBuf>,
    options: &Options,
    report: &Report,
    observer: &Observer,
    line: &str,
) -> Result<Tally> {
    let at = args.listen.as_deref().unwrap_or(ANYWHERE).parse()?;
    let invitation = Invitation::open(&at, state.as_deref(), options).await?;
    report.ticket(invitation.ticket(), line)?;
    invitation.run(transfer, args.pacing(), observer).await
}

/// Reads the ticket: the argument, standard input for `-`, or `UNSTICK_TICKET` for `env`. Other users of this machine
/// can see only an argument.
fn read(typed: &str) -> Result<Ticket> {
    match typed {
        "-" => {
            let mut text = String::new();
            let read = std::io::stdin().take(LONGEST_TICKET).read_to_string(&mut text);
            read.map_err(|error| Error::other(format!("standard input: {}", output::reason(&error))))?;
            text.parse()
        }
        "env" => std::env::var("UNSTICK_TICKET").map_err(|_| Error::usage("UNSTICK_TICKET is not set"))?.parse(),
        text => text.parse().map_err(|error: Error| match text.contains(':') {
            true => error.with_hint("an address is for the plain protocol: add --plain"),
            false => error,
        }),
    }
}

/// The directory where a sender keeps its key and secret until the transfer is complete.
fn state_directory() -> Option<PathBuf> {
    let folder = user_folders::state()?;
    std::fs::create_dir_all(&folder).ok().map(|()| folder)
}
