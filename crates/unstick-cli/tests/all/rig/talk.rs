//! One run of the program with one TCP peer: what each of them does, and how it ends.

use super::{Peer, Process, listener, unstick, unstick_listen};

/// A run that has not started yet.
pub(crate) struct Talk<'a> {
    verb: &'a str,
    arguments: &'a [&'a str],
    /// The content of standard input, which then ends. Without it, standard input stays open.
    input: Option<&'a [u8]>,
}

/// `unstick connect` with these arguments, and a listening peer.
pub(crate) fn connect<'a>(arguments: &'a [&'a str]) -> Talk<'a> {
    Talk { verb: "connect", arguments, input: None }
}

/// `unstick listen` with these arguments, and a peer that connects.
pub(crate) fn listen<'a>(arguments: &'a [&'a str]) -> Talk<'a> {
    Talk { verb: "listen", arguments, input: None }
}

/// `unstick ask`, with a message and further arguments after the address, and a listening peer.
pub(crate) fn ask<'a>(arguments: &'a [&'a str]) -> Talk<'a> {
    Talk { verb: "ask", arguments, input: None }
}

impl<'a> Talk<'a> {
    /// Sets the content of standard input, which then ends.
    pub(crate) fn input(self, input: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Talk { input: Some(input.as_ref()), ..self }
    }

    /// Runs it: the peer does this, and is dropped at the end unless it is kept.
    #[track_caller]
    pub(crate) fn meets<T>(self, peer: impl FnOnce(Peer) -> T) -> End {
        self.runs(|_, it| peer(it))
    }

    /// The same; the peer's function gets the program, too.
    #[track_caller]
    pub(crate) fn runs<T>(self, act: impl FnOnce(&mut Process, Peer) -> T) -> End {
        let (mut process, peer) = self.begins();
        let kept = act(&mut process, peer);
        let end = End { code: process.code(), out: process.rest(), err: process.errors() };
        drop(kept);
        end
    }

    fn begins(self) -> (Process, Peer) {
        if self.verb == "listen" {
            let (mut process, port) = unstick_listen(&[&["127.0.0.1:0"], self.arguments].concat());
            self.feeds(&mut process);
            return (process, Peer::connect(port));
        }
        let (listener, address) = listener();
        let mut process = unstick(&[&[self.verb, &address], self.arguments].concat());
        self.feeds(&mut process);
        (process, Peer::accept(&listener))
    }

    fn feeds(&self, process: &mut Process) {
        if let Some(input) = self.input {
            process.feed(input);
            process.end_input();
        }
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl End {
    /// Checks how it ended: status, standard output, standard error.
    #[track_caller]
    pub(crate) fn is(&self, code: i32, out: &str, err: &str) {
        assert_eq!((self.code, &*self.out, &*self.err), (code, out, err));
    }
}
