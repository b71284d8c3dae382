//! The address that the user typed, and the framings of its stream.

use std::net::Ipv6Addr;

use unstick::wire::{Framing, MessageFormat, Role};
use unstick::{Error, FramedAddress, Framings, Result};

use crate::io_format::Format;
use crate::options::connection::WireArgs;
use crate::options::decode::AUTO;

/// Reads `ADDRESS` or `HOST PORT`.
pub fn target(words: &[String]) -> Result<FramedAddress> {
    match words {
        [host, port] if host.contains("://") => {
            Err(Error::usage(format!("`{host}` needs no second word `{port}`"))
                .with_hint(format!("write {host}:{port}")))
        }
        [command, word] if command.contains("exec:") => {
            Err(Error::usage(format!("`{word}` is not part of the command"))
                .with_hint("put the whole of it in quotes: 'exec:COMMAND'"))
        }
        [one, other] if [one, other].iter().all(|word| word.bytes().all(|byte| byte.is_ascii_digit())) => {
            Err(Error::usage(format!("`{one} {other}` is two ports, and a run takes one address"))
                .with_hint("start unstick once for each port, or write HOST PORT"))
        }
        [host, port] if host.parse::<Ipv6Addr>().is_ok() => format!("[{host}]:{port}").parse(),
        [host, port] if host.contains(':') && !host.starts_with('[') => {
            let hint = match port.contains(':') {
                true => format!("give one address; --to {port} makes a bridge to the other"),
                false => "write HOST:PORT or HOST PORT; after --to, HOST:PORT".to_owned(),
            };
            Err(Error::usage(format!("`{host} {port}` is not an address")).with_hint(hint))
        }
        [host, port] => format!("{host}:{port}").parse(),
        [address] => address.parse(),
        _ => Err(Error::usage("an address is missing")),
    }
}

/// Whether the framing is to be guessed (`-f auto`). `ends`: the addresses. `other`: whether yet another framing was named.
pub fn is_guessed(wire: &WireArgs, ends: &[&FramedAddress], other: bool) -> Result<bool> {
    if wire.frame.as_deref() != Some(AUTO) {
        return Ok(false);
    }
    let has_another = other
        || [&wire.frame_in, &wire.frame_out].iter().any(|spec| spec.is_some())
        || ends.iter().any(|end| end.framing.is_some());
    if has_another {
        return Err(Error::usage("-f auto cannot be used with another framing").with_hint("name both, or guess both"));
    }
    match ends.iter().find(|end| !end.address.is_stream()) {
        Some(end) => Err(Error::usage(format!("{} is not a stream: it takes no framing", end.address))
            .with_hint(end.address.why_no_framing())),
        None => Ok(true),
    }
}

/// Returns the framings of a stream, as this role uses them; `None` for datagrams.
pub fn framings(target: &FramedAddress, wire: &WireArgs, default: &str, role: Role) -> Result<Option<Framings>> {
    if [&wire.frame, &wire.frame_in, &wire.frame_out].iter().any(|spec| spec.as_deref() == Some(AUTO)) {
        let what =
            "-f auto guesses the framing from what the peer sends; here it must be known before the first message";
        let error = Error::usage(what);
        return Err(
            error.with_hint("`unstick connect ADDRESS -f auto` shows what a server sends, and guesses its framing")
        );
    }
    let spec = |text: &Option<String>| text.as_deref().map(Framing::parse).transpose();
    let (both, inbound, outbound) = (spec(&wire.frame)?, spec(&wire.frame_in)?, spec(&wire.frame_out)?);
    if !target.address.is_stream() {
        if both.is_some() || inbound.is_some() || outbound.is_some() {
            return Err(Error::usage(format!("{} is not a stream: it takes no framing", target.address))
                .with_hint(target.address.why_no_framing()));
        }
        return Ok(None);
    }
    if let (Some(own), Some(both)) = (&target.framing, &both) {
        return Err(Error::usage(format!("-f {both} is for an address without a framing, and this one has {own}"))
            .with_hint("name one of them; --frame-in and --frame-out are for directions that differ"));
    }
    let base = match target.framing.clone().or(both) {
        Some(framing) => framing,
        None => Framing::parse(default)?,
    };
    let framings = Framings { inbound: inbound.unwrap_or_else(|| base.clone()), outbound: outbound.unwrap_or(base) };
    let framings = framings.as_seen_by(role);
    // Reported before anything is opened, instead of when the first message is sent.
    framings.outbound.encoder()?;
    Ok(Some(framings))
}

/// The format of messages if the user names none: the best one for the preset, if there is a preset.
pub fn format(framings: Option<&Framings>) -> Format {
    usual(framings).unwrap_or_else(|| Format::of(framings))
}

/// The best format for the messages of a preset, unless that is text.
pub fn usual(framings: Option<&Framings>) -> Option<Format> {
    match framings?.inbound.preset()?.format {
        MessageFormat::Hex => Some(Format::Hex),
        MessageFormat::Escaped => Some(Format::Escaped),
        MessageFormat::Line => None,
    }
}
