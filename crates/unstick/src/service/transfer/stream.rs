//! A stream of unknown length to send: read once, in order, and hashed.

use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use unstick_wire::limits::MAX_TRANSFER_PIECE;
use unstick_wire::transfer::{Message, SUBTREE, data_head};

use super::pieces::{Output, encoded};
use super::tree::Tree;

/// A stream that can be read only once.
#[derive(Clone)]
pub(super) struct Stream {
    input: Arc<Mutex<Option<Box<dyn Read + Send>>>>,
    unwanted: Arc<AtomicBool>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl Stream {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input: Arc::new(Mutex::new(Some(input))), unwanted: Arc::default() }
    }

    /// Records that the receiver does not want the rest.
    pub(super) fn unwanted(&self) {
        self.unwanted.store(true, Ordering::Relaxed);
    }

    /// Reads the stream to its end. Returns `None` if nobody takes the messages.
    ///
    /// # Errors
    ///
    /// If an earlier connection has started to read it: those bytes are lost.
    pub(super) fn read(&self, file: u32, outputs: &mpsc::Sender<Output>) -> io::Result<Option<Output>> {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut input =
            input.ok_or_else(|| io::Error::other("the connection was lost, and a stream cannot be sent again"))?;
        let mut tree = Tree::new();
        loop {
            let room = if tree.room() == 0 { SUBTREE } else { tree.room() };
            let head = data_head(file, tree.length());
            let mut message = vec![0; head.len() + room.min(MAX_TRANSFER_PIECE as u64) as usize];
            message[..head.len()].copy_from_slice(&head);
            let length = match input.read(&mut message[head.len()..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if length == 0 {
                return Ok(Some(Output::End { file, size: tree.length(), hash: tree.finish() }));
            }
            if self.unwanted.load(Ordering::Relaxed) {
                return Err(io::Error::other("nobody takes it"));
            }
            // Only now is it certain that another byte follows the subtree.
            if tree.room() == 0 {
                let (index, value) = (tree.length() / SUBTREE - 1, tree.close());
                let value = encoded(&Message::Subtree { file, index, value });
                if outputs.blocking_send(Output::Message(value, 0)).is_err() {
                    return Ok(None);
                }
            }
            message.truncate(head.len() + length);
            tree.update(&message[head.len()..]);
            if outputs.blocking_send(Output::Message(message, length as u64)).is_err() {
                return Ok(None);
            }
        }
    }
}
