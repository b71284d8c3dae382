//! What comes before a file: its header, and the request for it.

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Map, Value, json};
use unstick_wire::limits::MAX_TRANSFER_SIZE;

use super::super::Inbox;

/// Describes a file, before its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) size: u64,
    /// The hash that the sender announces.
    pub(super) sha256: Option<[u8; 32]>,
}

/// The requested file; the server's only file if no name is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) name: Option<String>,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut object = json!({ "name": self.name, "size": self.size });
        if let Some(hash) = self.sha256 {
            object["sha256"] = HEXLOWER_PERMISSIVE.encode(&hash).into();
        }
        object.to_string().into_bytes()
    }

    /// Parses a header, and checks that its name stays inside the directory.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let object = object(bytes, "header")?;
        let name = match object.get("name") {
            Some(Value::String(name)) => name.clone(),
            _ => return Err("the header has no `name`, a string".into()),
        };
        let size = object.get("size").and_then(Value::as_u64).filter(|size| *size <= MAX_TRANSFER_SIZE);
        let size = size.ok_or("the header has no `size`, a whole number of bytes")?;
        let sha256 = object.get("sha256").filter(|hash| !hash.is_null()).map(hash).transpose()?;
        Inbox::check(name.as_bytes(), size)?;
        Ok(Self { name, size, sha256 })
    }
}

impl Request {
    pub(super) fn encode(&self) -> Vec<u8> {
        json!({ "get": self.name }).to_string().into_bytes()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        match object(bytes, "request")?.get("get") {
            None | Some(Value::Null) => Ok(Self { name: None }),
            Some(Value::String(name)) => Ok(Self { name: Some(name.clone()) }),
            Some(_) => Err("`get` is the name of a file, a string".into()),
        }
    }
}

/// Parses a JSON object.
pub(super) fn object(bytes: &[u8], what: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(format!("the {what} is not a JSON object")),
        Err(error) => Err(format!("the {what} is not JSON: {error}")),
    }
}

/// Parses a SHA-256 of 64 hexadecimal digits.
pub(super) fn hash(value: &Value) -> Result<[u8; 32], String> {
    let bytes = value.as_str().and_then(|digits| HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok());
    let hash = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    hash.ok_or_else(|| "`sha256` is not 64 hexadecimal digits".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_as_it_was() {
        for sha256 in [None, Some([0xab; 32])] {
            let header = Header { name: "a/Grüße \"x\".txt".into(), size: 1 << 40, sha256 };
            assert_eq!(Header::parse(&header.encode()), Ok(header));
        }
        for name in [None, Some("a".to_owned())] {
            assert_eq!(Request::parse(&Request { name: name.clone() }.encode()), Ok(Request { name }));
        }
        assert_eq!(Request::parse(b"{}"), Ok(Request { name: None }));
    }

    #[test]
    fn a_header_that_is_not_one_is_refused() {
        for (header, why) in [
            (r#"{"name":"a""#, "the header is not JSON"),
            ("[1]", "the header is not a JSON object"),
            (r#"{"size":1}"#, "no `name`"),
            (r#"{"name":7,"size":1}"#, "no `name`"),
            (r#"{"name":"a"}"#, "no `size`"),
            (r#"{"name":"a","size":-1}"#, "no `size`"),
            (r#"{"name":"a","size":1.5}"#, "no `size`"),
            (r#"{"name":"a","size":"1"}"#, "no `size`"),
            (r#"{"name":"a","size":18446744073709551615}"#, "no `size`"),
            (r#"{"name":"a","size":1,"sha256":"ab"}"#, "64 hexadecimal digits"),
            (r#"{"name":"a","size":1,"sha256":7}"#, "64 hexadecimal digits"),
            (r#"{"name":"../a","size":1}"#, "another directory"),
            (r#"{"name":"/a","size":1}"#, "absolute"),
            (r#"{"name":"a\u0000","size":1}"#, "zero byte"),
            (r#"{"name":".unstick/a","size":1}"#, "incomplete files"),
            (r#"{"name":"","size":1}"#, "empty"),
        ] {
            let error = Header::parse(header.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{header}: {error}");
        }
        assert!(Request::parse(br#"{"get":7}"#).is_err());
    }
}
