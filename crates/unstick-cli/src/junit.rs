//! What reports in JUnit's format share: escaped text, and how the file is written.

use std::path::Path;

use unstick::{Error, Result};

use crate::{output, sanitize};

/// Escapes what neither XML nor a terminal takes.
pub fn escaped(text: &str) -> String {
    sanitize::line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Writes the file.
pub fn write(path: &Path, xml: &str) -> Result<()> {
    std::fs::write(path, xml).map_err(|e| Error::other(format!("{}: {}", path.display(), output::reason(&e))))
}
