//! Secrets from files: `@FILE` in place of a value that other users of the machine could see in the list of processes.

use std::io::Read;

use unstick::{Error, Result};

use crate::output;

/// Maximum number of bytes in a file of secrets. Header lines and passwords are short, and a wrong file should not be
/// read whole.
const LARGEST: u64 = 64 << 10;

/// Returns the lines of an option's value: the value itself, or the lines of the file that `@FILE` names. It skips
/// empty lines, and lines that begin with `#`.
///
/// # Errors
///
/// If the file cannot be read or has no line. No error repeats what is in the file.
pub fn lines(option: &str, value: &str) -> Result<Vec<String>> {
    let Some(path) = value.strip_prefix('@') else { return Ok(vec![value.to_owned()]) };
    let failed = |what: &str| Error::usage(format!("{option} @{path}: {what}"));
    let hint = "@FILE takes the value from a file, out of sight of other users";
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| failed(&output::reason(&error)).with_hint(hint))?;
    match file.take(LARGEST + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > LARGEST => return Err(failed("over 64 KiB, the largest file of secrets")),
        Ok(_) => {}
        Err(error) => return Err(failed(&output::reason(&error))),
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    if lines.is_empty() { Err(failed("there is nothing in it")) } else { Ok(lines) }
}

/// Returns the one line of an option's value.
///
/// # Errors
///
/// As [`lines`], and if there are several lines.
pub fn line(option: &str, value: &str) -> Result<String> {
    let mut lines = lines(option, value)?;
    match lines.len() {
        1 => Ok(lines.remove(0)),
        count => Err(Error::usage(format!("{option} {value}: {count} lines, and one is needed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_itself_and_a_file_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        std::fs::write(&path, "# who\nX-Who: me\r\n\n  Authorization: Bearer 1\n").unwrap();
        let value = format!("@{}", path.display());
        assert_eq!(lines("--header", &value).unwrap(), ["X-Who: me", "Authorization: Bearer 1"]);
        assert_eq!(lines("--header", "A: @b").unwrap(), ["A: @b"]);
        let error = line("--proxy", &value).unwrap_err().to_string();
        assert!(error.ends_with(": 2 lines, and one is needed") && !error.contains("Bearer"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_said_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        let error = || lines("--proxy", &format!("@{}", path.display())).unwrap_err().to_string();
        assert!(error().ends_with(": no such file or directory"), "{}", error());
        std::fs::write(&path, "\n# nothing\n").unwrap();
        assert!(error().ends_with(": there is nothing in it"), "{}", error());
        std::fs::write(&path, "x".repeat(1 << 17)).unwrap();
        assert!(error().ends_with(": over 64 KiB, the largest file of secrets"), "{}", error());
    }
}
