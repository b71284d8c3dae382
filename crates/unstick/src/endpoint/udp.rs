//! `udp://HOST:PORT`: every peer its own session.

use std::future::Future;
use std::pin::Pin;

use super::{Accept, DatagramEnd, End, Options};
use crate::address::HostPort;
use crate::error::{Error, Result};

pub(super) async fn connect(_at: &HostPort, _options: &Options) -> Result<DatagramEnd> {
    Err(Error::usage("not yet"))
}

pub(super) async fn listen(_at: &HostPort, _options: &Options) -> Result<Listener> {
    Err(Error::usage("not yet"))
}

pub(super) struct Listener;

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<End>> + Send + '_>> {
        Box::pin(async { Err(Error::usage("not yet")) })
    }

    fn addresses(&self) -> &[String] {
        &[]
    }
}
