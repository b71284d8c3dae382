//! Lets Linux move bytes between two sockets inside the kernel: through a pipe, by `splice`, when there are many of
//! them.
//!
//! A direction takes a pipe when bytes come and gives it back when there are none, so that idle bridges hold no files.
//! On other systems, and for few bytes, reading and writing is cheaper.

use std::io;
use std::task::{Context, Poll};

use crate::endpoint::{StreamRead, StreamWrite};

/// The result of an attempt.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(super) enum Moved {
    /// This many bytes have reached the receiver. 0 if nothing moved yet, or if reading and writing takes over.
    Some(u64),
    /// The source has ended.
    End,
    SourceFailed(io::Error),
    TargetFailed(io::Error),
}

pub(super) use system::Splice;

#[cfg(target_os = "linux")]
mod system {
    use std::cell::RefCell;
    use std::os::fd::OwnedFd;
    use std::task::ready;

    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

    use super::{Context, Moved, Poll, StreamRead, StreamWrite, io};
    use crate::limits;

    /// Full reads in a row before the kernel moves the bytes: fewer bytes are cheaper to read and write.
    const MANY: u8 = 2;

    /// Bytes that one call has to move to be worth its cost. After `MANY` calls with fewer, reading and writing takes
    /// over again.
    const WORTH: usize = 32 << 10;

    /// Bytes to move at once: as many as a pipe can be made to hold without privileges.
    const CHUNK: usize = 1 << 20;

    /// Number of pipes that a thread keeps for later use.
    const KEPT: usize = 16;

    struct Pipe {
        reader: OwnedFd,
        writer: OwnedFd,
    }

    thread_local! {
        static SPARE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
    }

    impl Pipe {
        fn take() -> io::Result<Self> {
            if let Some(pipe) = SPARE.with_borrow_mut(Vec::pop) {
                return Ok(pipe);
            }
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
            // The system refuses this beyond the user's share: the pipe then holds less.
            let _ = fcntl_setpipe_size(&writer, CHUNK);
            Ok(Self { reader, writer })
        }

        /// Gives back an empty pipe.
        fn give(self) {
            SPARE.with_borrow_mut(|spare| {
                if spare.len() < KEPT {
                    spare.push(self);
                }
            });
        }
    }

    /// One direction's path through the kernel.
    pub(in super::super) struct Splice {
        able: bool,
        on: bool,
        /// Number of steps in a row that suggest the other path.
        against: u8,
        pipe: Option<Pipe>,
        /// Bytes in the pipe.
        inside: usize,
    }

    impl Splice {
        pub(in super::super) fn new(able: bool) -> Self {
            Self { able, on: false, against: 0, pipe: None, inside: 0 }
        }

        /// Creates one that is about to be switched off again.
        #[cfg(test)]
        pub(super) fn switched_on() -> Self {
            Self { on: true, against: MANY - 1, ..Self::new(true) }
        }

        pub(in super::super) fn can(reader: &dyn StreamRead, writer: &dyn StreamWrite) -> bool {
            reader.ready().is_some() && writer.ready().is_some()
        }

        /// Whether the kernel moves what comes next. It always moves on what the pipe holds.
        pub(in super::super) fn is_on(&self) -> bool {
            self.on || self.inside > 0
        }

        /// Whether the pipe holds bytes that the receiver has not taken.
        pub(in super::super) fn holds(&self) -> bool {
            self.inside > 0
        }

        /// Records that one read returned `read` bytes.
        pub(in super::super) fn note(&mut self, read: usize) {
            if self.able && self.weigh(read == limits::BRIDGE_READ) {
                self.on = true;
            }
        }

        /// Whether something has been seen often enough in a row to change the path.
        fn weigh(&mut self, seen: bool) -> bool {
            self.against = if seen { self.against + 1 } else { 0 };
            let enough = self.against >= MANY;
            if enough {
                self.against = 0;
            }
            enough
        }

        /// Gives an empty pipe to others while nothing moves.
        pub(in super::super) fn rest(&mut self) {
            if self.inside == 0
                && let Some(pipe) = self.pipe.take()
            {
                pipe.give();
            }
        }

        /// Switches back to reading and writing.
        fn off(&mut self) -> Moved {
            self.on = false;
            self.rest();
            Moved::Some(0)
        }

        /// Moves some bytes.
        pub(in super::super) fn poll(
            &mut self,
            cx: &mut Context<'_>,
            reader: &dyn StreamRead,
            writer: &dyn StreamWrite,
        ) -> Poll<Moved> {
            let (Some(from), Some(to)) = (reader.ready(), writer.ready()) else {
                return Poll::Ready(self.off());
            };
            if self.inside == 0 {
                match ready!(from.poll_readable(cx)) {
                    Ok(()) => {}
                    Err(error) => return Poll::Ready(Moved::SourceFailed(error)),
                }
                let pipe = match self.pipe.take().map_or_else(Pipe::take, Ok) {
                    Ok(pipe) => self.pipe.insert(pipe),
                    // No more files can be opened: the bytes can do without a pipe.
                    Err(_) => return Poll::Ready(self.off()),
                };
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                let filled = from.try_read(|| Ok(splice(from, None, &pipe.writer, None, CHUNK, flags)?));
                match filled {
                    Ok(0) => {
                        self.rest();
                        return Poll::Ready(Moved::End);
                    }
                    Ok(filled) => {
                        self.inside = filled;
                        if self.weigh(filled < WORTH) {
                            self.on = false;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Ready(Moved::Some(0)),
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                        self.able = false;
                        return Poll::Ready(self.off());
                    }
                    Err(error) => return Poll::Ready(Moved::SourceFailed(error)),
                }
            }
            self.poll_empty(cx, to)
        }

        /// Moves on what is in the pipe.
        fn poll_empty(&mut self, cx: &mut Context<'_>, to: crate::endpoint::ReadySocket<'_>) -> Poll<Moved> {
            let Some(pipe) = &self.pipe else { return Poll::Ready(Moved::Some(0)) };
            match ready!(to.poll_writable(cx)) {
                Ok(()) => {}
                Err(error) => return Poll::Ready(Moved::TargetFailed(error)),
            }
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            let length = self.inside.min(to.most_at_once());
            let emptied = to.try_write(|| Ok(splice(&pipe.reader, None, to, None, length, flags)?));
            match emptied {
                Ok(emptied) => {
                    self.inside -= emptied;
                    Poll::Ready(Moved::Some(emptied as u64))
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Ready(Moved::Some(0)),
                Err(error) => Poll::Ready(Moved::TargetFailed(error)),
            }
        }
    }
}

/// On other systems the kernel moves nothing.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Context, Moved, Poll, StreamRead, StreamWrite};

    pub(in super::super) struct Splice;

    impl Splice {
        pub(in super::super) fn new(_: bool) -> Self {
            Self
        }

        pub(in super::super) fn can(_: &dyn StreamRead, _: &dyn StreamWrite) -> bool {
            false
        }

        pub(in super::super) fn is_on(&self) -> bool {
            false
        }

        pub(in super::super) fn holds(&self) -> bool {
            false
        }

        pub(in super::super) fn note(&mut self, _: usize) {}

        pub(in super::super) fn rest(&mut self) {}

        pub(in super::super) fn poll(
            &mut self,
            _: &mut Context<'_>,
            _: &dyn StreamRead,
            _: &dyn StreamWrite,
        ) -> Poll<Moved> {
            Poll::Ready(Moved::Some(0))
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::future::poll_fn;

    use tokio::net::UnixStream;

    use super::*;

    /// A few bytes make it switch to reading and writing, but what is in the pipe goes before what is read later.
    #[tokio::test]
    async fn what_it_holds_goes_first_though_it_is_switched_off() {
        let (source, from) = UnixStream::pair().unwrap();
        let (to, target) = UnixStream::pair().unwrap();
        let ((reader, _), (_, writer)) = (from.into_split(), to.into_split());
        let (reader, writer) = crate::endpoint::write_error::halves(reader, writer);
        let mut full = 0;
        while let Ok(written) = writer.get().try_write(&[0; 4096]) {
            full += written;
        }
        let mut splice = Splice::switched_on();
        assert_eq!(source.try_write(b"first").unwrap(), 5);
        reader.get().readable().await.unwrap();
        let waits = poll_fn(|cx| {
            while let Poll::Ready(moved) = splice.poll(cx, &reader, &writer) {
                assert!(matches!(moved, Moved::Some(0)), "nothing can go");
            }
            Poll::Ready(())
        });
        waits.await;
        assert!(splice.is_on(), "bytes that are read now would overtake those in the pipe");
        let mut got = Vec::new();
        while got.len() < full {
            target.readable().await.unwrap();
            let _ = target.try_read_buf(&mut got);
        }
        while splice.is_on() {
            poll_fn(|cx| splice.poll(cx, &reader, &writer)).await;
        }
        got.clear();
        target.readable().await.unwrap();
        target.try_read_buf(&mut got).unwrap();
        assert_eq!(got, b"first");
    }
}
