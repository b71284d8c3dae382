//! `send` and `receive` inside TLS: whole trees, invited by a ticket, and resumed.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use unstick::limits::TRANSFER_STALL;
use unstick::service::transfer::{self, Inbox, Invitation, Observer, Outgoing, Tally, Ticket, Transfer};
use unstick::{Error, Options, Result};

use super::report::Report;
use crate::args;
use crate::options::transfer::TransferArgs;
use crate::status::Status;
use crate::{output, sanitize};

/// Bytes of standard input in which a ticket is looked for.
const LONGEST_TICKET: u64 = 8 << 10;

pub(super) async fn send(args: args::Send) -> Result<Status> {
    check(&args.transfer)?;
    let files = Outgoing::list(&args.files)?;
    for skipped in files.skipped() {
        output::notice(&format!(
            "{} is not sent: it is not a file or directory",
            sanitize::line(&skipped.to_string_lossy())
        ));
    }
    let state = state_directory().map(|folder| folder.join(format!("send-{}", files.id())));
    run(Transfer::Send(Arc::new(files)), args.to.as_deref(), state, &args.transfer, "unstick receive --from").await
}

pub(super) async fn receive(args: args::Receive) -> Result<Status> {
    check(&args.transfer)?;
    if !args.get.is_empty() {
        return Err(Error::usage("--get is for the plain protocol, with --from ADDRESS --plain"));
    }
    let overwrite = args.overwrite.unwrap_or_default();
    let inbox = Inbox::open(args.directory.unwrap_or_else(|| PathBuf::from(".")), overwrite.into())?;
    let inbox = inbox.verify(args.verify);
    let state = inbox.state_file()?;
    run(
        Transfer::Receive(Arc::new(inbox)),
        args.from.as_deref(),
        Some(state),
        &args.transfer,
        "unstick send FILE... --to",
    )
    .await
}

/// What is only for the plain protocol.
fn check(args: &TransferArgs) -> Result<()> {
    let name = match args {
        args if args.count.is_some() => "--count",
        args if args.retry.is_some() => "--retry",
        _ => return Ok(()),
    };
    Err(Error::usage(format!("{name} is for the plain protocol, with --plain")))
}

/// Connects where there is a ticket, else makes one and waits. `line`: what is typed at the other side in front of it.
async fn run(
    transfer: Transfer,
    ticket: Option<&str>,
    state: Option<PathBuf>,
    args: &TransferArgs,
    line: &str,
) -> Result<Status> {
    let (options, stall) = (args.options(), args.stall.unwrap_or(TRANSFER_STALL));
    let report = Arc::new(Report::new(args));
    let observer = Arc::clone(&report).observer();
    let tally = match ticket {
        Some(ticket) => transfer::connect(&transfer, &read(ticket)?, &options, stall, &observer).await,
        None => wait(&transfer, state, &options, stall, &report, &observer, line).await,
    };
    report.end();
    if let Some(error) = report.failure() {
        return Err(error);
    }
    Ok(match tally? {
        Tally { failed: 0, .. } => Status::Done,
        Tally { mismatched: 0, .. } => Status::Failed,
        _ => Status::Check,
    })
}

async fn wait(
    transfer: &Transfer,
    state: Option<PathBuf>,
    options: &Options,
    stall: Duration,
    report: &Report,
    observer: &Observer,
    line: &str,
) -> Result<Tally> {
    // A machine without IPv6 still has IPv4.
    let invitation = match Invitation::open("[::]", 0, state.as_deref(), options).await {
        Err(error) if error.is_unreachable() => Invitation::open("0.0.0.0", 0, state.as_deref(), options).await?,
        opened => opened?,
    };
    report.ticket(invitation.ticket(), line)?;
    invitation.run(transfer, stall, observer).await
}

/// A ticket as it was typed: itself, `-` for standard input, `env` for UNSTICK_TICKET, which other users do not see.
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

/// Where key and secret of a sender are kept until its transfer is complete.
fn state_directory() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    let folder = state.join("unstick");
    std::fs::create_dir_all(&folder).ok().map(|()| folder)
}
