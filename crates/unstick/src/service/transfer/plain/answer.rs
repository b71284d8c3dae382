//! The receiver's answer to a file: whether it has the file, and the hash of what arrived.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::header::{hash, object};
use crate::error::{Error, Result};

/// The answer to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Why the receiver refused it; `None` if it has the file under its final name.
    pub(super) refusal: Option<String>,
    /// The hash of the bytes that arrived, if all arrived.
    pub(super) sha256: Option<[u8; 32]>,
}

impl Answer {
    pub(super) fn received(sha256: [u8; 32]) -> Self {
        Self { refusal: None, sha256: Some(sha256) }
    }

    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self { refusal: Some(why.into()), sha256: None }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut object = json!({ "ok": self.refusal.is_none() });
        if let Some(hash) = self.sha256 {
            object["sha256"] = HEXLOWER.encode(&hash).into();
        }
        if let Some(why) = &self.refusal {
            object["error"] = why.as_str().into();
        }
        object.to_string().into_bytes()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let object = object(bytes, "answer")?;
        let sha256 = object.get("sha256").filter(|value| !value.is_null()).map(hash).transpose()?;
        let why = object.get("error").and_then(Value::as_str);
        match object.get("ok") {
            Some(Value::Bool(true)) => Ok(Self { refusal: None, sha256 }),
            Some(Value::Bool(false)) => Ok(Self { refusal: Some(why.unwrap_or("no reason").to_owned()), sha256 }),
            _ => Err("the answer has no `ok`, true or false".into()),
        }
    }

    /// Checks that the answer proves that the receiver has what was sent.
    ///
    /// # Errors
    ///
    /// If the receiver refuses the file. If it names another hash or no hash, [`Error::is_mismatch`].
    pub(super) fn prove(&self, name: &str, sent: [u8; 32]) -> Result<()> {
        match (&self.refusal, self.sha256) {
            (None, Some(theirs)) if theirs == sent => Ok(()),
            (_, Some(theirs)) if theirs != sent => {
                let (sent, theirs) = (HEXLOWER.encode(&sent), HEXLOWER.encode(&theirs));
                Err(Error::mismatch(format!("{name}: {sent} was sent, and the receiver has {theirs}")))
            }
            (Some(why), _) => Err(Error::other(format!("{name}: the receiver refuses it: {why}"))),
            (None, _) => {
                Err(Error::mismatch(format!("{name}: the receiver's answer has no hash to prove that it has it")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_as_it_was() {
        for answer in [Answer::received([1; 32]), Answer::refused("no room")] {
            assert_eq!(Answer::parse(&answer.encode()), Ok(answer));
        }
        for wrong in ["", "true", "{}", r#"{"ok":1}"#, r#"{"ok":true,"sha256":"x"}"#] {
            assert!(Answer::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_same_hash_is_a_proof() {
        assert!(Answer::received([1; 32]).prove("a", [1; 32]).is_ok());
        assert!(Answer::received([2; 32]).prove("a", [1; 32]).unwrap_err().is_mismatch());
        assert!(Answer::parse(br#"{"ok":true}"#).unwrap().prove("a", [1; 32]).unwrap_err().is_mismatch());
        let refused = Answer::refused("no room").prove("a", [1; 32]).unwrap_err();
        assert!(!refused.is_mismatch() && refused.to_string().ends_with("no room"), "{refused}");
    }
}
