//! The arguments of `guess`: the file, what is in it, and which connections of a capture are looked at.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use unstick::wire::Role;

use crate::options::values::port;

/// `guess`.
#[derive(Debug, Args)]
pub struct Guess {
    /// The file to look at: a pcap or pcapng capture, also compressed with gzip, or the bytes of one direction [default: standard
    /// input]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Look at the connections of this port, which is the server's (repeatable)
    #[arg(long, value_name = "PORT", value_parser = port, help_heading = "Captures")]
    pub port: Vec<u16>,
    /// Look at the connections of this IP address (repeatable)
    #[arg(long, value_name = "IP", help_heading = "Captures")]
    pub host: Vec<IpAddr>,
    /// Take the file for the bytes of one direction, even if it begins like a capture
    #[arg(long, conflicts_with_all = ["port", "host"], help_heading = "Bytes")]
    pub bytes: bool,
    /// Read the bytes as hexadecimal digits, such as 00 00 00 05
    #[arg(short = 'x', long, conflicts_with_all = ["port", "host"], help_heading = "Bytes")]
    pub hex: bool,
    /// Take the bytes for those of a server, not of a client
    #[arg(long, conflicts_with_all = ["port", "host"], help_heading = "Bytes")]
    pub s2c: bool,
    /// Print one JSON object for each server
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl Guess {
    /// The side that wrote the bytes of a file.
    pub fn role(&self) -> Role {
        if self.s2c { Role::Server } else { Role::Client }
    }
}
