//! One table of what a peer may really be speaking, asked when its bytes break the framing.

use crate::error::{DecodeErrorKind, Text};
use crate::framing::Shape;

/// Looks at the first bytes of a frame that failed.
pub(crate) fn recognise(_kind: &DecodeErrorKind, _head: &[u8], _shape: Shape) -> Option<Text> {
    None
}
