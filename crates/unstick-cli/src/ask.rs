//! `ask`: one message, its reply, done.

use std::io::Read;

use clap::ArgMatches;
use unstick::{Error, Link, Result};

use crate::args::Ask;
use crate::pipe::Format;
use crate::report::Status;
use crate::{output, plan};

/// Sends the message, and prints the reply.
pub async fn ask(args: &Ask, _: &ArgMatches) -> Result<Status> {
    let target: unstick::FramedAddress = args.address.parse()?;
    let framings = plan::framings(&target, &args.wire, "line")?;
    let mut options = plan::options(&args.wire);
    plan::reach(&args.reach, &mut options)?;
    plan::udp(&args.udp, &target.address, &mut options)?;
    let format: Format = args.io.as_deref().map_or(Ok(Format::default()), str::parse)?;
    let message = message(args)?;
    let link = unstick::connect(&target.address, framings.as_ref(), &options).await?;
    let deadline = args.deadline.unwrap_or(plan::ASK_DEADLINE);
    match tokio::time::timeout(deadline, converse(link, &message)).await {
        Ok(Ok(Some(reply))) => crate::pipe::print(&format, &reply).await,
        Ok(Ok(None)) => {
            output::problem("the peer ended without a reply");
            Ok(Status::Check)
        }
        Ok(Err(error)) => Err(error),
        Err(_) => {
            output::problem(&format!("no reply within {deadline:?}"));
            Ok(Status::TimedOut)
        }
    }
}

async fn converse(mut link: Link, message: &[u8]) -> Result<Option<bytes::Bytes>> {
    link.send(message).await?;
    link.recv().await
}

fn message(args: &Ask) -> Result<bytes::Bytes> {
    match (&args.message, &args.send_hex, &args.send_file) {
        (_, Some(hex), _) => plan::hex(hex),
        (_, _, Some(path)) => plan::file(path),
        (Some(text), ..) if text == "-" => {
            let mut whole = Vec::new();
            std::io::stdin().read_to_end(&mut whole).map_err(|e| Error::usage(format!("standard input: {e}")))?;
            Ok(whole.into())
        }
        (Some(text), ..) => Ok(text.clone().into()),
        (None, None, None) => Err(Error::usage("a message is missing")),
    }
}
