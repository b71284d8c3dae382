//! An address and the options it is opened with, for every group of options that adds to them.

use unstick::endpoint::Options;
use unstick::{Address, Error};

/// One end of what is opened, and its address.
pub struct EndpointOptions<'a> {
    /// Where.
    pub address: &'a Address,
    /// How.
    pub options: &'a mut Options,
}

/// Options that mean nothing at any of these ends.
pub fn misplaced(names: &str, schemes: &str, ends: &[EndpointOptions<'_>]) -> Error {
    let addresses: Vec<_> = ends.iter().map(|end| end.address.to_string()).collect();
    let are = if names.contains(' ') { "are" } else { "is" };
    Error::usage(format!("{names} {are} for {schemes}, not for {}", addresses.join(" and ")))
}
