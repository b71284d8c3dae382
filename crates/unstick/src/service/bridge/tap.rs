//! Shows the bytes of one direction of a bridge as they pass: messages if there is a framing, otherwise segments.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use unstick_wire::{Decoder, Frame, Role};

use super::super::run::PeerId;
use crate::budget::Share;
use crate::error::Error;
use crate::stop::Stop;

/// Receives what passes.
pub(super) trait Watch: Send + Sync {
    /// Records that something has passed.
    fn note(&self);

    /// Shows data that passes.
    fn passed(&self, peer: PeerId, from: Role, data: &[u8], frame: Option<&Frame<'_>>);

    /// Reports that what has passed cannot be shown as messages.
    fn puzzled(&self, peer: PeerId, error: Error);

    /// Returns what to wait for before more is shown.
    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

    /// Tells when to stop reading.
    fn stop(&self) -> &Stop;
}

/// The view of one direction of one bridge.
pub(super) struct Tap {
    watch: Arc<dyn Watch>,
    peer: PeerId,
    from: Role,
    /// Finds the messages, with the unfinished one's share of the common budget. `None` if segments are shown.
    decoder: Option<(Decoder, Share)>,
    /// Messages are shown with their frames.
    frames: bool,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Tap {
    pub(super) fn new(
        watch: Arc<dyn Watch>,
        peer: PeerId,
        from: Role,
        decoder: Option<(Decoder, Share)>,
        frames: bool,
    ) -> Self {
        Self { watch, peer, from, decoder, frames, waiting: None }
    }

    /// Waits until more can be shown.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_none() {
            self.waiting = self.watch.room();
        }
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        Poll::Ready(())
    }

    /// Counts the memory of the unfinished message. If that is too much for the common budget, this gives the message
    /// up. The bytes go on passing, and from now on they are shown as they come.
    pub(super) fn hold(&mut self, cx: &Context<'_>) {
        let Some((decoder, share)) = &mut self.decoder else { return };
        let pending = decoder.pending().len();
        if let Poll::Ready(Err(error)) = share.poll_hold(decoder.held(), cx) {
            self.decoder = None;
            let what = format!("no more messages of this direction are shown, nor the {pending} bytes of the last one");
            self.watch.puzzled(self.peer, error.in_front(&what));
        }
    }

    /// Returns what has passed of an unfinished message.
    pub(super) fn pending(&self) -> &[u8] {
        self.decoder.as_ref().map_or(&[], |(decoder, _)| decoder.pending())
    }

    /// Shows a segment that passes; an empty one is the end.
    pub(super) fn passes(&mut self, segment: &[u8]) {
        let Some((decoder, _)) = &mut self.decoder else {
            if !segment.is_empty() {
                self.watch.passed(self.peer, self.from, segment, None);
            }
            return;
        };
        match segment {
            [] => decoder.finish(),
            segment => decoder.feed(segment),
        }
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    let shown = Some(&frame).filter(|_| self.frames);
                    self.watch.passed(self.peer, self.from, frame.message, shown);
                }
                Ok(None) => return,
                Err(error) => {
                    // The bytes pass unchanged, whatever they look like. From now on they are shown as they come.
                    let rest = decoder.pending().to_vec();
                    self.watch.puzzled(self.peer, error.into());
                    self.decoder = None;
                    if !rest.is_empty() {
                        self.watch.passed(self.peer, self.from, &rest, None);
                    }
                    return;
                }
            }
        }
    }
}
