//! Finds the server that `--to` names, with the options of TLS and of WebSocket.

use unstick::endpoint::Options;
use unstick::{Address, Error, Result};
use unstick_shake::Target;

use crate::args;
use crate::options::endpoint::EndpointOptions;
use crate::options::tls;
use crate::options::websocket;

/// Resolves the address.
pub async fn find(args: &args::Shake, address: &Address) -> Result<Target> {
    let target = Target::find(address, &options(args, address)?).await?;
    if !target.is_fixed() && args.start.is_none() {
        return Err(
            Error::usage("no server listens on port 0").with_hint("with --start it gives each start a free port")
        );
    }
    Ok(target)
}

/// Refuses those options for a program on pipes.
pub fn on_pipes(args: &args::Shake) -> Result<()> {
    options(args, &Address::Exec(args.command.join(" "))).map(|_| ())
}

fn options(args: &args::Shake, address: &Address) -> Result<Options> {
    let mut options = Options::default();
    websocket::shaken(&args.speech, &args.request, EndpointOptions { address, options: &mut options })?;
    tls::client(&args.tls, &args.verify, &mut [EndpointOptions { address, options: &mut options }])?;
    Ok(options)
}
