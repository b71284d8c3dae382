//! The reading end of a pipe that a program writes to and nobody reads, until a test does.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

/// Bytes that the pipe holds: one page.
const PAGE: usize = 4096;

/// A pipe that is soon full.
pub(crate) struct Unread(BufReader<File>);

impl Unread {
    /// Returns the pipe, and its writing end for a program.
    pub(crate) fn pipe() -> (Unread, Stdio) {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("the system has a pipe");
        rustix::pipe::fcntl_setpipe_size(&write, PAGE).expect("a pipe can be small");
        (Unread(BufReader::with_capacity(PAGE, File::from(read))), Stdio::from(write))
    }

    /// The next line, without its LF.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("it is text");
        line.trim_end_matches('\n').to_owned()
    }

    /// Reads the rest.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("it is text");
        rest
    }

    /// Waits until there is no room for more, and reads nothing.
    pub(crate) fn fills(&mut self) {
        let pipe = self.0.get_ref();
        let room = rustix::pipe::fcntl_getpipe_size(pipe).expect("a pipe has a size") as u64;
        // A line that does not fit is not written at all, so the pipe is full when less than a line is free.
        while rustix::io::ioctl_fionread(pipe).expect("a pipe tells") < room / 2 {
            std::thread::yield_now();
        }
    }

    /// Waits for the first of it, and reads no more than that.
    pub(crate) fn begins(&mut self) {
        self.0.get_mut().read_exact(&mut [0]).expect("it is written to");
    }
}
