//! What can be typed of `decode` and `encode`: the file, its framing, which side wrote it, and how messages are written.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use unstick::wire::{Framing, Role};
use unstick::{Error, Result};

use crate::options::completion::{formats, specs};
use crate::options::values::at_least_one;

/// `decode`.
#[derive(Debug, Args)]
pub struct Decode {
    /// The file to decode: the bytes of one direction [default: standard input]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Which framing, and whose.
    #[command(flatten)]
    pub framed: FramedArgs,
    /// Write the payloads alone, in this format: line, quoted, hex, escaped, json, raw or a framing spec
    #[arg(long, value_name = "FORMAT", value_parser = formats(), hide_possible_values = true, help_heading = "Messages")]
    pub io: Option<String>,
    /// Print events, one JSON object a line
    #[arg(long, conflicts_with = "io", help_heading = "Messages")]
    pub json: bool,
    /// Show messages as hexadecimal dumps
    #[arg(short = 'x', long, conflicts_with_all = ["io", "json"], help_heading = "Messages")]
    pub hex: bool,
    /// Show whole frames as hexadecimal dumps, with header, payload and trailer in different colours
    #[arg(long, conflicts_with_all = ["io", "json"], help_heading = "Messages")]
    pub wire: bool,
    /// Stop after N messages
    #[arg(short = 'n', long, value_name = "N", value_parser = at_least_one, help_heading = "End")]
    pub count: Option<u64>,
}

/// `encode`.
#[derive(Debug, Args)]
pub struct Encode {
    /// The file with the messages, one a line [default: standard input]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Which framing, and whose.
    #[command(flatten)]
    pub framed: FramedArgs,
    /// Read messages in this format: line, quoted, hex, escaped, json, raw or a framing spec [default: line for -f line, else
    /// quoted, where $'a\nb' holds an LF]
    #[arg(long, value_name = "FORMAT", value_parser = formats(), hide_possible_values = true, help_heading = "Messages")]
    pub io: Option<String>,
}

/// The framing of a file, and which side of a conversation wrote it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Framing")]
pub struct FramedArgs {
    /// The framing, such as line, u32be or struct:i (see `unstick framings`)
    #[arg(short = 'f', long = "frame", value_name = "SPEC", value_parser = specs(), hide_possible_values = true)]
    pub frame: Option<String>,
    /// Take the bytes for those of a client, where the sides of a preset differ [default]
    #[arg(long, conflicts_with = "s2c")]
    pub c2s: bool,
    /// Take the bytes for those of a server
    #[arg(long)]
    pub s2c: bool,
}

impl FramedArgs {
    /// The side that wrote the bytes.
    pub fn role(&self) -> Role {
        if self.s2c { Role::Server } else { Role::Client }
    }

    /// The framing of that side.
    pub fn framing(&self) -> Result<Framing> {
        let Some(spec) = &self.frame else {
            let error = Error::usage("bytes of a file have no framing of their own");
            return Err(error.with_hint("-f names it, such as -f line; `unstick framings` lists what it takes"));
        };
        Ok(Framing::parse(spec)?.sent_by(self.role()))
    }
}
