//! Key, secret and port of a ticket. They stay in a file until the transfer is complete, so that the same ticket works
//! again.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};

use crate::endpoint::Identity;
use crate::error::{Error, Result, plain};

/// Key, secret and port of a ticket.
pub(super) struct Credentials {
    pub(super) identity: Identity,
    pem: String,
    pub(super) secret: [u8; 16],
    pub(super) port: Option<u16>,
    path: Option<PathBuf>,
}

impl Credentials {
    /// Reads the credentials from the file, or makes new ones.
    pub(super) fn open(path: Option<&Path>) -> Result<Self> {
        if let Some(path) = path {
            match std::fs::read_to_string(path) {
                Ok(text) => {
                    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                    let secret = field("secret:").and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
                    let secret = secret.and_then(|secret| secret.try_into().ok());
                    let port = field("port:").and_then(|port| port.parse().ok());
                    let wrong = || Error::other(format!("{}: not the state file of a transfer", path.display()));
                    let (secret, identity) = (secret.ok_or_else(wrong)?, Identity::from_files(path, path)?);
                    return Ok(Self { identity, pem: text, secret, port, path: Some(path.to_owned()) });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::other(format!("{}: {}", path.display(), plain(&error)))),
            }
        }
        let (identity, pem) = Identity::self_signed_pem(&[])?;
        let mut secret = [0; 16];
        SystemRandom::new().fill(&mut secret).map_err(|_| Error::other("the system's random generator failed"))?;
        Ok(Self { identity, pem, secret, port: None, path: path.map(Path::to_owned) })
    }

    /// Writes the credentials to the file, readable only for this user.
    pub(super) fn keep(&mut self, port: u16) -> Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| self.port != Some(port)) else { return Ok(()) };
        let pem = self.pem.find("-----BEGIN").map_or("", |at| &self.pem[at..]);
        let text = format!("port: {port}\nsecret: {}\n{pem}", HEXLOWER.encode(&self.secret));
        let failed = |error: std::io::Error| Error::other(format!("{}: {}", path.display(), plain(&error)));
        let new = path.with_extension("new");
        // A file from an earlier run may have other permissions.
        let _ = std::fs::remove_file(&new);
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&new).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&new, path).map_err(failed)?;
        self.port = Some(port);
        Ok(())
    }

    /// Removes the file, because the transfer is complete.
    pub(super) fn remove(&self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
            // Removes the directory too, unless something else is in it.
            let _ = path.parent().map(std::fs::remove_dir);
        }
    }
}
