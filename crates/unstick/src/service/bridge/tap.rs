//! What is shown of the bytes of one direction of a bridge as they pass: messages where there is a framing, else segments.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use unstick_wire::{Decoder, Frame, Role};

use super::super::run::PeerId;
use crate::budget::Share;
use crate::error::Error;
use crate::stop::Stop;

/// Who looks at what passes.
pub(super) trait Watch: Send + Sync {
    /// Something has passed.
    fn note(&self);

    /// This passes, and is to be shown.
    fn passed(&self, peer: PeerId, from: Role, data: &[u8], frame: Option<&Frame<'_>>);

    /// What has passed cannot be shown as messages.
    fn puzzled(&self, peer: PeerId, error: Error);

    /// What to wait for before more is shown.
    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

    /// Says that nothing more is to be read.
    fn stop(&self) -> &Stop;
}

/// One direction of one bridge, watched.
pub(super) struct Tap {
    watch: Arc<dyn Watch>,
    peer: PeerId,
    from: Role,
    /// Finds the messages; none where segments are shown. And what the one that has not ended holds of the budget of many.
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

    /// Ready when more can be shown.
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

    /// Counts the message that has not ended. Where it is too much for the budget of many, it is given up, and the bytes go on
    /// passing: from now on they are shown as they come.
    pub(super) fn hold(&mut self, cx: &Context<'_>) {
        let Some((decoder, share)) = &mut self.decoder else { return };
        let pending = decoder.pending().len();
        if let Poll::Ready(Err(error)) = share.poll_hold(decoder.held(), cx) {
            self.decoder = None;
            let what = format!("no more messages of this direction are shown, nor the {pending} bytes of the last one");
            self.watch.puzzled(self.peer, error.in_front(&what));
        }
    }

    /// What has passed of a message that has not ended.
    pub(super) fn pending(&self) -> &[u8] {
        self.decoder.as_ref().map_or(&[], |(decoder, _)| decoder.pending())
    }

    /// This segment passes; an empty one is the end.
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
                    // The bytes pass as they are, whatever they look like: from now on they are shown as they come.
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
