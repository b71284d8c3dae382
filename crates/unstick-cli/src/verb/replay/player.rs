//! A server's place in the recorded connections: which of them fit what a client has sent so far, and what comes next.

use std::ops::Range;

use unstick::wire::Role;

use super::difference::first_difference;
use super::script::{Script, Step};

/// What a client gets: the first connection that fits everything so far.
pub struct Player<'a> {
    scripts: &'a [Script],
    masks: &'a [Range<usize>],
    /// The connections that fit, the preferred one first.
    fitting: Vec<usize>,
    /// Number of messages that have passed.
    at: usize,
}

impl<'a> Player<'a> {
    /// A client has connected. `order`: the connections, the preferred one first.
    pub fn new(scripts: &'a [Script], masks: &'a [Range<usize>], order: Vec<usize>) -> Self {
        Self { scripts, masks, fitting: order, at: 0 }
    }

    /// The connection that is played.
    pub fn current(&self) -> usize {
        self.fitting.first().copied().unwrap_or_default()
    }

    /// The connection that is played.
    pub fn script(&self) -> &'a Script {
        &self.scripts[self.current()]
    }

    /// Number of messages that have passed.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The message that comes next in it; `None` behind its last.
    pub fn next(&self) -> Option<&'a Step> {
        self.script().steps.get(self.at)
    }

    /// The next message, which is an answer, was sent.
    pub fn answered(&mut self) {
        let Some(sent) = self.next() else { return };
        let (scripts, at) = (self.scripts, self.at);
        let is_same = |step: &Step| step.from == Role::Server && step.message == sent.message;
        self.fitting.retain(|one| scripts[*one].steps.get(at).is_some_and(is_same));
        self.at += 1;
    }

    /// A request has come. Returns whether a connection fits it; if none does, nothing changes.
    pub fn takes(&mut self, request: &[u8]) -> bool {
        let fits = |one: &usize| {
            let step = self.scripts[*one].steps.get(self.at);
            step.is_some_and(|step| {
                step.from == Role::Client && first_difference(&step.message, request, self.masks).is_none()
            })
        };
        let fitting: Vec<usize> = self.fitting.iter().copied().filter(fits).collect();
        if fitting.is_empty() {
            return false;
        }
        self.fitting = fitting;
        self.at += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A connection: `>request` and `<answer`.
    fn script(peer: u64, steps: &[&str]) -> Script {
        let step = |text: &&str| {
            let (from, message) = text.split_at(1);
            let from = if from == ">" { Role::Client } else { Role::Server };
            let message = bytes::Bytes::from(message.to_owned());
            Step { from, frame: message.clone(), message, after: Duration::ZERO }
        };
        Script { peer, steps: steps.iter().map(step).collect(), server_ends_first: false }
    }

    #[test]
    fn the_first_connection_that_fits_everything_so_far_is_played() {
        let scripts =
            [script(1, &[">a", "<1", ">b", "<2"]), script(2, &[">a", "<1", ">c", "<3"]), script(3, &[">a", "<9"])];
        let mut player = Player::new(&scripts, &[], vec![0, 1, 2]);
        assert!(player.takes(b"a"));
        assert_eq!(player.next().unwrap().message, "1");
        player.answered();
        assert!(player.takes(b"c"), "the second one has it, with the same beginning");
        assert_eq!((player.script().peer, &*player.next().unwrap().message), (2, &b"3"[..]));
        player.answered();
        assert!(player.next().is_none() && !player.takes(b"d"), "nothing comes behind the end");
    }

    #[test]
    fn what_no_connection_fits_changes_nothing() {
        let scripts = [script(1, &[">a1", "<1"])];
        let mask = 1..2;
        let mut player = Player::new(&scripts, std::slice::from_ref(&mask), vec![0]);
        assert!(!player.takes(b"b1") && !player.takes(b"a1x"));
        assert_eq!(player.at(), 0);
        assert!(player.takes(b"a7"), "the second byte is masked");
    }
}
