//! An address and its options, for all groups of options that change them.

use unstick::endpoint::Options;
use unstick::{Address, Error};

/// One end to open: its address and its options.
pub struct EndpointOptions<'a> {
    /// The address.
    pub address: &'a Address,
    /// The options.
    pub options: &'a mut Options,
}

/// Makes the error for options that apply to none of these ends.
pub fn misplaced(names: &str, schemes: &str, ends: &[EndpointOptions<'_>]) -> Error {
    let addresses: Vec<_> = ends.iter().map(|end| end.address.to_string()).collect();
    let are = if names.contains(' ') { "are" } else { "is" };
    Error::usage(format!("{names} {are} for {schemes}, not for {}", addresses.join(" and ")))
}
