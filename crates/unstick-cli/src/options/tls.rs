//! The options of TLS, and how they apply.

use std::path::PathBuf;

use clap::Args;
use unstick::endpoint::{Authorities, Fingerprint, Identity, Options};
use unstick::{Address, Error, Result};

use crate::options::endpoint::{EndpointOptions, misplaced};
use crate::output;

/// The options of TLS for both sides.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Trust the CA certificates in FILE (PEM) instead of the system's; a listener then requires certificates from its clients
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Use this certificate and its chain (PEM) at this end
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Use this private key (PEM) [default: the file of --cert]
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Offer these protocols (ALPN), the preferred one first: h2,http/1.1
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = protocol)]
    pub alpn: Vec<String>,
}

/// Reads a protocol's name (RFC 7301, section 3.1).
fn protocol(name: &str) -> Result<String, String> {
    match name.len() {
        1..=255 => Ok(name.to_owned()),
        _ => Err("a protocol's name has 1 to 255 bytes, as in h2,http/1.1".to_owned()),
    }
}

/// The further options of TLS for a client.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsClientArgs {
    /// Accept only the server certificate with this SHA-256 fingerprint, signed or not (repeatable)
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "ca")]
    pub pin: Vec<String>,
    /// Ask for this server name, and expect it in the certificate [default: the host of the address]
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,
    /// Do not verify the server's certificate: anybody can answer in its place
    #[arg(short = 'k', long, conflicts_with_all = ["ca", "pin"])]
    pub insecure: bool,
}

/// The further options of TLS for a listener.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsServerArgs {
    /// Make a certificate for this run and print its fingerprint, which clients take with --pin
    #[arg(long, conflicts_with = "cert")]
    pub self_signed: bool,
}

/// Whether an address uses TLS.
fn speaks_tls(address: &Address) -> bool {
    matches!(address, Address::Tls(_) | Address::Wss(_))
}

impl TlsClientArgs {
    /// Whether the user set any of these options.
    pub fn is_asked(&self) -> bool {
        !self.pin.is_empty() || self.sni.is_some() || self.insecure
    }
}

/// Applies the client's options to each of these ends that uses TLS.
pub fn client(tls: &TlsArgs, verify: &TlsClientArgs, ends: &mut [EndpointOptions<'_>]) -> Result<()> {
    check(tls, verify.is_asked(), "--ca, --cert, --alpn, --pin, --sni and --insecure", ends)?;
    for end in ends.iter_mut().filter(|end| speaks_tls(end.address)) {
        both(tls, end.options)?;
        connecting(verify, end.options)?;
    }
    Ok(())
}

/// Applies the listener's options, and prints its fingerprint.
pub fn server(tls: &TlsArgs, show: &TlsServerArgs, end: EndpointOptions<'_>) -> Result<()> {
    let mut ends = [end];
    check(tls, show.self_signed, "--ca, --cert, --alpn and --self-signed", &ends)?;
    let [end] = &mut ends;
    if !speaks_tls(end.address) {
        return Ok(());
    }
    both(tls, end.options)?;
    listening(show, end)
}

/// Applies the options to the listener and to the server of a bridge. If both use TLS, --cert is the listener's, and
/// --ca is for the server.
pub fn bridge(
    tls: &TlsArgs,
    show: &TlsServerArgs,
    verify: &TlsClientArgs,
    near: EndpointOptions<'_>,
    far: EndpointOptions<'_>,
) -> Result<()> {
    match (speaks_tls(near.address), speaks_tls(far.address)) {
        (true, true) => {
            both(tls, near.options)?;
            both(tls, far.options)?;
            (near.options.tls.authorities, far.options.tls.identity) = (None, None);
            connecting(verify, far.options)?;
            listening(show, &mut { near })
        }
        (true, false) if verify.is_asked() => Err(Error::usage(format!(
            "--pin, --sni and --insecure are for the server that is connected to, and {} has no TLS",
            far.address
        ))),
        (true, false) => server(tls, show, near),
        (false, _) if show.self_signed => {
            let what = format!("--self-signed is for a listener with TLS, and {} has none", near.address);
            Err(Error::usage(what).with_hint("write tls:// or wss:// in front of the host"))
        }
        _ => client(tls, verify, &mut [far]),
    }
}

fn connecting(verify: &TlsClientArgs, options: &mut Options) -> Result<()> {
    options.tls.pins = verify.pin.iter().map(|pin| pin.parse()).collect::<Result<Vec<Fingerprint>>>()?;
    options.tls.server_name.clone_from(&verify.sni);
    options.tls.insecure = verify.insecure;
    if verify.insecure {
        output::notice("the server's certificate is not verified (--insecure): anybody can answer in its place");
    }
    Ok(())
}

fn listening(show: &TlsServerArgs, end: &mut EndpointOptions<'_>) -> Result<()> {
    if show.self_signed {
        let host = match end.address {
            Address::Tls(at) => at.host.clone(),
            Address::Wss(address) => address.at.host.clone(),
            _ => None,
        };
        end.options.tls.identity = Some(Identity::self_signed(host.as_slice())?);
    }
    if let Some(identity) = &end.options.tls.identity {
        output::notice(&format!("the certificate's fingerprint, for --pin: {}", identity.fingerprint()));
    }
    Ok(())
}

/// Refuses options of TLS if none of the ends uses it.
fn check(tls: &TlsArgs, own: bool, names: &str, ends: &[EndpointOptions<'_>]) -> Result<()> {
    let asked = own || tls.ca.is_some() || tls.cert.is_some() || !tls.alpn.is_empty();
    if !asked || ends.iter().any(|end| speaks_tls(end.address)) {
        return Ok(());
    }
    Err(misplaced(names, "tls:// and wss://", ends).with_hint("write tls:// or wss:// in front of the host"))
}

fn both(tls: &TlsArgs, options: &mut Options) -> Result<()> {
    options.tls.authorities = tls.ca.as_ref().map(Authorities::from_file).transpose()?;
    let key = tls.key.as_ref().or(tls.cert.as_ref());
    options.tls.identity = match tls.cert.as_ref().zip(key) {
        Some((cert, key)) => Some(Identity::from_files(cert, key)?),
        None => None,
    };
    options.tls.protocols.clone_from(&tls.alpn);
    options.tls.key_log = logs_keys()?;
    Ok(())
}

/// Whether `SSLKEYLOGFILE` asks for the keys of all connections. If so, prints a notice.
fn logs_keys() -> Result<bool> {
    let Some(path) = std::env::var_os(KEY_LOG).filter(|path| !path.is_empty()) else { return Ok(false) };
    let path = PathBuf::from(path);
    // rustls opens the file, and reports nothing if that fails. So the path is checked here, without opening it: it may
    // be a pipe that nobody reads yet.
    if path.is_dir() || path.parent().is_some_and(|parent| !parent.as_os_str().is_empty() && !parent.is_dir()) {
        return Err(Error::usage(format!("{KEY_LOG}: {} cannot be written", path.display()))
            .with_hint(format!("name a file in a directory that exists, or unset {KEY_LOG}")));
    }
    static SAID: std::sync::Once = std::sync::Once::new();
    SAID.call_once(|| {
        output::notice(&format!(
            "{KEY_LOG} is set: a reader of {} can decrypt all TLS connections of this run",
            path.display()
        ));
    });
    Ok(true)
}

/// The environment variable that browsers and curl use too, and whose file Wireshark reads.
const KEY_LOG: &str = "SSLKEYLOGFILE";
