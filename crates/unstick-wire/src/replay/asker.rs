//! A client's place in a recorded connection: the ids that the server has given out, for the requests that repeat them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::book::Playbook;
use crate::role::Role;

/// What a client sends: the recorded requests of one connection, with the ids that the server gives out now.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The connection, counted from 0 on.
    script: usize,
    /// The ids that answers had, by the step and the rule.
    ids: BTreeMap<(usize, usize), Bytes>,
}

impl Asker {
    /// A connection is open that plays this one of the recorded, counted from 0 on.
    pub fn new(script: usize) -> Self {
        Self { script, ids: BTreeMap::new() }
    }

    /// The answer of a step has come.
    pub fn answered(&mut self, book: &Playbook, at: usize, answer: &[u8]) {
        for (number, copy) in book.rules.copies.iter().enumerate() {
            if let Some(id) = copy.of_answer(answer) {
                self.ids.insert((at, number), Bytes::copy_from_slice(id));
            }
        }
    }

    /// The request of a step, with the ids of the answers that have come; `None` if the step is not a request.
    pub fn request(&self, book: &Playbook, at: usize) -> Option<Bytes> {
        let step = book.scripts.get(self.script)?.steps.get(at).filter(|step| step.from == Role::Client)?;
        let mut changed: Option<Vec<u8>> = None;
        for (number, copy) in book.rules.copies.iter().enumerate() {
            let answer = book.origins[self.script].get(&(at, number));
            if let Some(id) = answer.and_then(|answer| self.ids.get(&(*answer, number))) {
                let message = changed.get_or_insert_with(|| step.message.to_vec());
                message[copy.offset..copy.offset + copy.width].copy_from_slice(id);
            }
        }
        Some(changed.map_or_else(|| step.message.clone(), Bytes::from))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::rules::Rules;
    use super::super::script::{Script, Step};
    use super::*;

    #[test]
    fn requests_repeat_the_id_that_the_last_answer_with_theirs_had() {
        let step = |text: &&'static str| {
            let (from, message) = text.split_at(1);
            let from = if from == ">" { Role::Client } else { Role::Server };
            Step::new(from, message, message, Duration::ZERO)
        };
        let steps = [">q00", "<01a", "<02b", ">q02", ">q01", ">q33", ">q", "<01c", ">q01"].iter().map(step).collect();
        let script = Script { connection: 1, steps, server_ends_first: false };
        let rules = Rules { copies: vec!["1:2:0".parse().unwrap()], ..Rules::default() };
        let book = Playbook::new(vec![script], rules);
        let mut asker = Asker::new(0);
        assert_eq!(asker.request(&book, 0).as_deref(), Some(&b"q00"[..]), "no answer had it");
        assert_eq!(asker.request(&book, 1), None, "an answer");
        asker.answered(&book, 1, b"77a");
        asker.answered(&book, 2, b"88b");
        let requests = [3, 4, 5, 6].map(|at| String::from_utf8(asker.request(&book, at).unwrap().to_vec()).unwrap());
        assert_eq!(requests, ["q88", "q77", "q33", "q"]);
        asker.answered(&book, 7, b"99c");
        assert_eq!(asker.request(&book, 8).as_deref(), Some(&b"q99"[..]), "of two answers, the last one");
        assert_eq!(Asker::new(1).request(&book, 0), None, "no such connection");
        assert!(book.difference(0, 1, b"77a").is_none() && book.difference(0, 1, b"77x").is_some());
    }
}
