//! The server that `--to` names, and what the options of TLS and of WebSocket ask of it.

use unstick::endpoint::Options;
use unstick::service::shake::Target;
use unstick::{Address, Error, Result};

use crate::args;
use crate::secure::{self, At};
use crate::websocket;

/// Resolves the address.
pub async fn find(args: &args::Shake, address: &Address) -> Result<Target> {
    let mut options = Options::default();
    websocket::shaken(&args.speech, &args.request, At { address, options: &mut options })?;
    secure::client(&args.tls, &args.verify, &mut [At { address, options: &mut options }])?;
    let target = Target::find(address, &options).await?;
    if !target.is_fixed() && args.start.is_none() {
        return Err(Error::usage("port 0 is nobody's").with_hint("with --start it gives each start a free port"));
    }
    Ok(target)
}
