//! What can be typed of TLS, and what it means.

use std::path::PathBuf;

use clap::Args;
use unstick::endpoint::{Authorities, Fingerprint, Identity, Options};
use unstick::{Address, Error, Result};

use crate::output;

/// What both sides of TLS can be asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct Tls {
    /// Trust whom these certificates vouch for (PEM): instead of the system's authorities; a listener then asks
    /// clients for a certificate
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// This end's certificate, and those between it and its authority (PEM)
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Its key (PEM) [default: the file of --cert]
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Agree on one of these protocols, the best first: h2,http/1.1
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub alpn: Vec<String>,
}

/// What a client can be asked besides.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct Verify {
    /// The server's certificate is the one with this SHA-256, whoever has signed it (again and again: one of these)
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "ca")]
    pub pin: Vec<String>,
    /// The name to ask for, and to find in the certificate [default: the host of the address]
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,
    /// Do not verify the server's certificate: whoever answers may be anybody
    #[arg(long, conflicts_with_all = ["ca", "pin"])]
    pub insecure: bool,
}

/// What a listener can be asked besides.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct Show {
    /// Make a certificate for this run; clients are told its fingerprint (--pin)
    #[arg(long, conflicts_with = "cert")]
    pub self_signed: bool,
}

/// Whether TLS is spoken there.
fn speaks_tls(address: &Address) -> bool {
    matches!(address, Address::Tls(_))
}

/// What a client asks of TLS.
pub fn client(tls: &Tls, verify: &Verify, address: &Address, options: &mut Options) -> Result<()> {
    let own = !verify.pin.is_empty() || verify.sni.is_some() || verify.insecure;
    if !check(tls, own, "--ca, --cert, --alpn, --pin, --sni and --insecure", address)? {
        return Ok(());
    }
    both(tls, options)?;
    options.tls.pins = verify.pin.iter().map(|pin| pin.parse()).collect::<Result<Vec<Fingerprint>>>()?;
    options.tls.server_name.clone_from(&verify.sni);
    options.tls.insecure = verify.insecure;
    if verify.insecure {
        output::notice("the server's certificate is not verified (--insecure): whoever answers may be anybody");
    }
    Ok(())
}

/// What a listener asks of TLS; says its fingerprint.
pub fn server(tls: &Tls, show: &Show, address: &Address, options: &mut Options) -> Result<()> {
    if !check(tls, show.self_signed, "--ca, --cert, --alpn and --self-signed", address)? {
        return Ok(());
    }
    both(tls, options)?;
    if show.self_signed {
        let host = match address {
            Address::Tls(at) => at.host.clone(),
            _ => None,
        };
        options.tls.identity = Some(Identity::self_signed(host.as_slice())?);
    }
    if let Some(identity) = &options.tls.identity {
        output::notice(&format!("the certificate's fingerprint, for --pin: {}", identity.fingerprint()));
    }
    Ok(())
}

/// Whether there is TLS at all; options of it without it are a mistake.
fn check(tls: &Tls, own: bool, names: &str, address: &Address) -> Result<bool> {
    if speaks_tls(address) {
        return Ok(true);
    }
    if own || tls.ca.is_some() || tls.cert.is_some() || !tls.alpn.is_empty() {
        return Err(Error::usage(format!("{names} are for tls://, not for {address}"))
            .with_hint("write tls:// in front of the host"));
    }
    Ok(false)
}

fn both(tls: &Tls, options: &mut Options) -> Result<()> {
    options.tls.authorities = tls.ca.as_ref().map(Authorities::from_file).transpose()?;
    let key = tls.key.as_ref().or(tls.cert.as_ref());
    options.tls.identity = match tls.cert.as_ref().zip(key) {
        Some((cert, key)) => Some(Identity::from_files(cert, key)?),
        None => None,
    };
    options.tls.protocols.clone_from(&tls.alpn);
    Ok(())
}
