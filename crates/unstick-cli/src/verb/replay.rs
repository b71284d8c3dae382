//! `replay`: plays one side of a recording again, as a server with the recorded answers or as a client with the requests.

mod client;
mod difference;
mod player;
mod report;
mod script;
mod server;

use unstick::{Error, FramedAddress, Result};

use crate::input_file::InputFile;
use crate::options::replay::Replay;
use crate::status::Status;
use report::Report;
use script::Scripts;

/// Replays a recording.
pub async fn replay(args: Replay) -> Result<Status> {
    let address = args.to.as_deref().or(args.listen.as_deref()).unwrap_or_default();
    let address: FramedAddress = address.parse()?;
    if address.framing.is_some() {
        let error = Error::usage("the framing of a recording is that of its first line");
        return Err(error.with_hint("-f names another one"));
    }
    let (name, source) = InputFile::open(args.file.as_deref())?.into_parts();
    let scripts = Scripts::read(&name, source, args.frame.as_deref(), args.connection)?;
    let framing = scripts.framing.clone().filter(|_| address.address.is_stream());
    if address.address.is_stream() && framing.is_none() {
        let error = Error::usage(format!("{name} names no framing, and without one nobody knows what a message is"));
        return Err(error.with_hint("-f names it, such as -f redis"));
    }
    let report = Report::new(args.json);
    if args.listen.is_some() {
        server::serve(args, address.address, framing, scripts, report).await
    } else {
        client::ask(args, address.address, framing, scripts, report).await
    }
}
