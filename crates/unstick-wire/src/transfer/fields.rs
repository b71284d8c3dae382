//! Reads the fields of a message of the transfer protocol, one after the other.

use bytes::{Buf, Bytes};

use super::subtree::Hash;
use super::violation::Violation;

/// The fields of a message that have not been read yet.
pub(super) struct Fields(Bytes);

impl Fields {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, length: usize) -> Result<(), Violation> {
        if self.0.len() < length { Err(Violation::new("a message ends inside a field")) } else { Ok(()) }
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<Bytes, Violation> {
        self.has(length)?;
        Ok(self.0.split_to(length))
    }

    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        self.has(N)?;
        let mut array = [0; N];
        self.0.copy_to_slice(&mut array);
        Ok(array)
    }

    pub(super) fn hash(&mut self) -> Result<Hash, Violation> {
        self.array()
    }

    pub(super) fn u8(&mut self) -> Result<u8, Violation> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Violation> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Violation> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Violation> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Violation> {
        self.array().map(i64::from_be_bytes)
    }
}
