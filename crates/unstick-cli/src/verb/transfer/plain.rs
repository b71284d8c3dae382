//! `send --plain` and `receive --plain`: single files, for scripts.

use std::path::PathBuf;
use std::sync::Arc;

use unstick::service::transfer::plain::{self, Config, Event, Files, Offer, Outcome};
use unstick::service::transfer::{Inbox, Source};
use unstick::wire::transfer::Kind;
use unstick::{Error, Framings, Options, Result};

use super::applied::End;
use super::report::Report;
use crate::args;
use crate::options::endpoint::EndpointOptions;
use crate::options::proxy;
use crate::options::transfer::{OverwriteArg, TransferArgs};
use crate::report as statuses;
use crate::signals;
use crate::status::Status;

/// Refuses options that the plain protocol does not have.
fn check(args: &args::Send) -> Result<()> {
    let name = match args {
        args if args.name.is_some() || args.files.iter().any(|file| file.as_os_str() == "-") => {
            return Err(Error::usage(
                "the plain protocol sends the size before the bytes, so it cannot send standard input",
            )
            .with_hint("write it into a file first; or leave out --plain on both sides"));
        }
        args if !args.exclude.is_empty() => "--exclude",
        args if args.links.is_some() => "--links",
        args => return check_options(&args.transfer),
    };
    Err(Error::usage(format!("{name} is not for the plain protocol, which sends files one by one")))
}

fn check_options(args: &TransferArgs) -> Result<()> {
    let name = match args {
        args if args.qr => "--qr",
        args if args.listen.is_some() => "--listen",
        _ => return Ok(()),
    };
    Err(Error::usage(format!("{name} is not for the plain protocol")))
}

/// Sets the proxy, if there is one and this side connects.
fn pass_through(args: &TransferArgs, end: &End, options: &mut Options) -> Result<()> {
    match end {
        End::Connect(address) => proxy::through(&args.proxy, &mut [EndpointOptions { address, options }]),
        End::Listen(_) if args.proxy.proxy.is_some() => Err(Error::usage("--proxy is for connecting: this side waits")),
        End::Listen(_) => Ok(()),
    }
}

/// Sends files.
pub(super) async fn send(args: args::Send) -> Result<Status> {
    let mut options = args.transfer.options();
    check(&args)?;
    let report = Report::new(&args.transfer);
    if args.transfer.dry_run {
        for source in args.files.iter().map(Source::open).collect::<Result<Vec<_>>>()? {
            report.offered(Kind::File, source.name().as_bytes(), source.size())?;
        }
        return Ok(Status::Done);
    }
    let end = args.transfer.end("--to", args.to.as_deref())?;
    pass_through(&args.transfer, &end, &mut options)?;
    match end {
        End::Listen(address) => {
            let files = Offer::Files(Files::new(args.files)?);
            let listener = unstick::listen(&address, Some(&plain::sender_framings()), &options).await?;
            serve(listener, files, &args.transfer, report).await
        }
        End::Connect(address) => {
            // Opens all files before it sends the first.
            let sources = args.files.iter().map(Source::open).collect::<Result<Vec<_>>>()?;
            let framings = plain::sender_framings();
            let mut status = Status::Done;
            for source in sources {
                let (name, bar) = (source.name().to_owned(), report.bar(source.name(), Some(source.size())));
                let sent = async {
                    let link = unstick::connect(&address, Some(&framings), &options).await?;
                    plain::send(link, source, args.transfer.pacing(), &mut |moved| bar.set_position(moved)).await
                };
                let sent = sent.await;
                bar.finish_and_clear();
                match sent {
                    Ok(sent) => report.sent(None, &sent)?,
                    Err(error) => status = failed(&report, Some(&name), error, status)?,
                }
            }
            Ok(status)
        }
    }
}

/// Receives files.
pub(super) async fn receive(args: args::Receive) -> Result<Status> {
    let mut options = args.transfer.options();
    check_options(&args.transfer)?;
    if args.transfer.dry_run {
        return Err(Error::usage(
            "the plain protocol has no list of files, so --dry-run is for sending or for tickets",
        ));
    }
    if args.directory.as_ref().is_some_and(|directory| directory.as_os_str() == "-") {
        return Err(Error::usage(
            "the plain protocol verifies a file at its end, so it does not write to standard output",
        )
        .with_hint("name a directory; or leave out --plain on both sides, then each MiB is verified"));
    }
    if matches!(args.overwrite, Some(OverwriteArg::Ask | OverwriteArg::Newer)) {
        return Err(Error::usage("the plain protocol allows only --overwrite never or --overwrite always"));
    }
    let report = Report::new(&args.transfer);
    let end = args.transfer.end("--from", args.from.as_deref())?;
    pass_through(&args.transfer, &end, &mut options)?;
    let overwrite = args.overwrite.unwrap_or_default();
    let inbox = Inbox::open(args.directory.unwrap_or_else(|| PathBuf::from(".")), overwrite.into())?;
    let framings: Framings = plain::receiver_framings();
    match end {
        End::Listen(_) if !args.get.is_empty() => {
            Err(Error::usage("--get is for files of a server, with --from ADDRESS --plain"))
        }
        End::Listen(address) => {
            let listener = unstick::listen(&address, Some(&framings), &options).await?;
            serve(listener, Offer::Inbox(inbox), &args.transfer, report).await
        }
        End::Connect(address) => {
            let names: Vec<Option<&str>> = match args.get.is_empty() {
                true => vec![None],
                false => args.get.iter().map(|name| Some(name.as_str())).collect(),
            };
            let mut status = Status::Done;
            for name in names {
                let bar = report.bar(name.unwrap_or_default(), None);
                let received = async {
                    let link = unstick::connect(&address, Some(&framings), &options).await?;
                    let moved = &mut |moved| bar.set_position(moved);
                    plain::receive(link, name, &inbox, args.transfer.pacing(), moved).await
                };
                let received = received.await;
                bar.finish_and_clear();
                match received {
                    Ok(received) => report.received(None, &received)?,
                    Err(error) => status = failed(&report, name, error, status)?,
                }
            }
            Ok(status)
        }
    }
}

/// Reports a failed file. If the server is unreachable, returns the error, because the server is unreachable for the
/// next files too.
fn failed(report: &Report, name: Option<&str>, error: Error, before: Status) -> Result<Status> {
    if error.is_unreachable() {
        return Err(error);
    }
    report.failed(None, name, &error)?;
    Ok(if before == Status::Done { statuses::status_of(&error) } else { before })
}

/// Serves clients until it is told to stop.
async fn serve(listener: unstick::Listener, offer: Offer, args: &TransferArgs, report: Report) -> Result<Status> {
    report.listening(listener.addresses())?;
    let mut config = Config::default();
    config.count = args.count;
    config.pacing = args.pacing();
    config.stop = signals::stop();
    let report = Arc::new(report);
    let told = Arc::clone(&report);
    let observer = Arc::new(move |peer, event: Event<'_>| told.event(peer, &event));
    let outcome = plain::serve(listener, offer, config, observer).await;
    // Standard output is closed or has failed.
    if let Some(error) = report.failure() {
        return Err(error);
    }
    match outcome {
        Outcome::Reached | Outcome::Stopped => Ok(Status::Done),
        _ => Ok(Status::Failed),
    }
}
