//! A server's place in the recorded connections: which of them fit what a client has sent so far, and what comes next.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::book::Playbook;
use super::rules::Difference;
use super::script::{Script, Step};
use crate::role::Role;

/// What a client gets: the first connection that fits everything so far.
#[derive(Debug, Clone)]
pub struct Player<'a> {
    book: &'a Playbook,
    /// The connections that fit, the preferred one first.
    fitting: Vec<usize>,
    /// Number of messages that have passed.
    at: usize,
    /// The ids that requests had, by the step and the rule.
    ids: BTreeMap<(usize, usize), Bytes>,
}

impl<'a> Player<'a> {
    /// A client has connected. `order`: the connections, counted from 0 on, the preferred one first.
    pub fn new(book: &'a Playbook, order: Vec<usize>) -> Self {
        let fitting = order.into_iter().filter(|one| *one < book.scripts.len()).collect();
        Self { book, fitting, at: 0, ids: BTreeMap::new() }
    }

    /// The connection that is played, counted from 0 on.
    pub fn current(&self) -> usize {
        self.fitting.first().copied().unwrap_or_default()
    }

    /// The connection that is played; `None` if there is none at all.
    pub fn script(&self) -> Option<&'a Script> {
        self.book.scripts.get(self.current())
    }

    /// Number of messages that have passed.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The message that comes next in it; `None` behind its last.
    pub fn next(&self) -> Option<&'a Step> {
        self.script()?.steps.get(self.at)
    }

    /// The answer that comes next, with the ids of the requests that have come; `None` if it is the client's turn.
    pub fn answer(&self) -> Option<Bytes> {
        self.answer_of(self.current())
    }

    /// What comes next in a connection, if that is an answer.
    fn answer_of(&self, script: usize) -> Option<Bytes> {
        let step = self.book.scripts.get(script)?.steps.get(self.at)?;
        if step.from == Role::Client {
            return None;
        }
        let mut changed: Option<Vec<u8>> = None;
        for (number, copy) in self.book.rules.copies.iter().enumerate() {
            let request = self.book.sources[script].get(&(self.at, number));
            if let Some(id) = request.and_then(|request| self.ids.get(&(*request, number))) {
                let message = changed.get_or_insert_with(|| step.message.to_vec());
                message[copy.to..copy.to + copy.width].copy_from_slice(id);
            }
        }
        Some(changed.map_or_else(|| step.message.clone(), Bytes::from))
    }

    /// The next message, which is an answer, was sent.
    pub fn answered(&mut self) {
        let Some(sent) = self.answer() else { return };
        let mut fitting = std::mem::take(&mut self.fitting);
        fitting.retain(|one| self.answer_of(*one).is_some_and(|answer| answer == sent));
        self.fitting = fitting;
        self.at += 1;
    }

    /// A request has come. Returns whether a connection fits it; if none does, nothing changes.
    pub fn takes(&mut self, request: &[u8]) -> bool {
        let fits = |one: &usize| {
            let step = self.book.scripts[*one].steps.get(self.at);
            step.is_some_and(|step| step.from == Role::Client) && self.book.difference(*one, self.at, request).is_none()
        };
        let fitting: Vec<usize> = self.fitting.iter().copied().filter(fits).collect();
        if fitting.is_empty() {
            return false;
        }
        self.fitting = fitting;
        for (number, copy) in self.book.rules.copies.iter().enumerate() {
            if let Some(id) = copy.of_request(request) {
                self.ids.insert((self.at, number), Bytes::copy_from_slice(id));
            }
        }
        self.at += 1;
        true
    }

    /// Returns where a request differs from the one that comes next.
    pub fn difference(&self, request: &[u8]) -> Option<Difference> {
        self.book.difference(self.current(), self.at, request)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::rules::Rules;
    use super::*;

    /// A connection: `>request` and `<answer`.
    fn script(connection: u64, steps: &[&'static str]) -> Script {
        let step = |text: &&'static str| {
            let (from, message) = text.split_at(1);
            let from = if from == ">" { Role::Client } else { Role::Server };
            Step::new(from, message, message, Duration::ZERO)
        };
        Script { connection, steps: steps.iter().map(step).collect(), server_ends_first: false }
    }

    #[test]
    fn the_first_connection_that_fits_everything_so_far_is_played() {
        let scripts =
            vec![script(1, &[">a", "<1", ">b", "<2"]), script(2, &[">a", "<1", ">c", "<3"]), script(3, &[">a", "<9"])];
        let book = Playbook::new(scripts, Rules::default());
        let mut player = Player::new(&book, vec![0, 1, 2]);
        assert!(player.takes(b"a"));
        assert_eq!(player.next().unwrap().message, "1");
        player.answered();
        assert!(player.takes(b"c"), "the second one has it, with the same beginning");
        assert_eq!((player.script().unwrap().connection, &*player.next().unwrap().message), (2, &b"3"[..]));
        player.answered();
        assert!(player.next().is_none() && !player.takes(b"d"), "nothing comes behind the end");
    }

    #[test]
    fn what_no_connection_fits_changes_nothing() {
        let rules = Rules { masks: std::iter::once(1..2).collect(), ..Rules::default() };
        let book = Playbook::new(vec![script(1, &[">a1", "<1"])], rules);
        let mut player = Player::new(&book, vec![0]);
        assert!(!player.takes(b"b1") && !player.takes(b"a1x"));
        assert_eq!(player.at(), 0);
        assert!(player.takes(b"a7"), "the second byte is masked");
    }

    #[test]
    fn ids_come_back_in_the_answers_to_their_requests() {
        let rules = Rules { copies: vec!["1:2:0".parse().unwrap()], ..Rules::default() };
        // Two requests are under way, and answered the other way round; the last answer has no id that was asked with.
        let book = Playbook::new(vec![script(1, &[">q01", ">q02", "<02b", "<01a", "<xxc", "<0"])], rules);
        let mut player = Player::new(&book, vec![0]);
        assert!(!player.takes(b"p77"), "the rest of a request is compared");
        assert!(!player.takes(b"q7"), "so is its length");
        assert!(player.takes(b"q77") && player.takes(b"q88"));
        let mut answers = Vec::new();
        while let Some(answer) = player.answer() {
            answers.push(String::from_utf8(answer.to_vec()).unwrap());
            player.answered();
        }
        assert_eq!(answers, ["88b", "77a", "xxc", "0"]);
    }

    #[test]
    fn an_id_that_is_used_again_is_that_of_the_last_request() {
        let rules = Rules { copies: vec!["0:1".parse().unwrap()], ..Rules::default() };
        let book = Playbook::new(vec![script(1, &[">1", "<1", ">1", "<1"])], rules);
        let mut player = Player::new(&book, vec![0]);
        for id in [b"8", b"9"] {
            assert!(player.takes(id));
            assert_eq!(player.answer().as_deref(), Some(&id[..]));
            player.answered();
        }
    }

    #[test]
    fn nothing_is_played_from_an_empty_book() {
        let book = Playbook::default();
        let mut player = Player::new(&book, vec![3]);
        player.answered();
        assert!(player.script().is_none() && player.answer().is_none() && !player.takes(b"a"));
    }
}
