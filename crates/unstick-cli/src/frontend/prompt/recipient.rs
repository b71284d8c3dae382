//! Decides to which peers the next line goes.

use std::collections::BTreeMap;

use unstick::service::talk::{PeerId, Recipient};

/// The present peers, and what decides between them.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    /// Whether there is never more than one peer, and nothing to choose.
    single: bool,
    peers: BTreeMap<PeerId, String>,
    latest: Option<PeerId>,
    choice: Choice,
}

/// The user's choice.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The peer that sent last; before that the only one, or all.
    #[default]
    Latest,
    /// One peer, until it leaves.
    Peer(PeerId),
    /// Every peer.
    All,
}

/// The recipients of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Nobody,
    One(PeerId),
    All,
}

impl To {
    /// Returns the recipient in the library's type; `None` for nobody.
    pub(super) fn target(self) -> Option<Recipient> {
        match self {
            To::Nobody => None,
            To::One(peer) => Some(Recipient::Peer(peer)),
            To::All => Some(Recipient::All),
        }
    }
}

impl std::fmt::Display for To {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            To::Nobody => f.write_str("nobody"),
            To::One(peer) => write!(f, "peer {peer}"),
            To::All => f.write_str("all"),
        }
    }
}

impl Recipients {
    pub(super) fn new(single: bool) -> Self {
        Self { single, ..Self::default() }
    }

    pub(super) fn came(&mut self, peer: PeerId, name: &str) {
        self.peers.insert(peer, name.to_owned());
    }

    pub(super) fn spoke(&mut self, peer: PeerId) {
        self.latest = Some(peer);
    }

    pub(super) fn left(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        if self.latest == Some(peer) {
            self.latest = None;
        }
        if self.choice == Choice::Peer(peer) {
            self.choice = Choice::Latest;
        }
    }

    pub(super) fn choose(&mut self, choice: Choice) {
        self.choice = choice;
    }

    pub(super) fn is_here(&self, peer: PeerId) -> bool {
        self.peers.contains_key(&peer)
    }

    /// Returns every peer, by number.
    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = (PeerId, &str)> {
        self.peers.iter().map(|(peer, name)| (*peer, name.as_str()))
    }

    /// Returns the recipients of a line that is typed now.
    pub(super) fn next(&self) -> To {
        match self.choice {
            _ if self.peers.is_empty() => To::Nobody,
            Choice::Peer(peer) => To::One(peer),
            Choice::All => To::All,
            Choice::Latest => self.next_latest(),
        }
    }

    /// Returns the recipients of a line without a choice.
    pub(super) fn next_latest(&self) -> To {
        let only = if self.peers.len() == 1 { self.peers.keys().next() } else { None };
        match self.latest.or(only.copied()) {
            _ if self.peers.is_empty() => To::Nobody,
            Some(peer) => To::One(peer),
            None => To::All,
        }
    }

    /// Whether a line for these recipients still reaches them.
    pub(super) fn reaches(&self, to: To) -> bool {
        match to {
            To::Nobody => false,
            To::One(peer) => self.is_here(peer),
            To::All => !self.peers.is_empty(),
        }
    }

    /// Returns the prompt's text.
    pub(super) fn prompt(&self, to: To) -> String {
        match to {
            _ if self.single => "> ".to_owned(),
            To::Nobody => "nobody> ".to_owned(),
            To::One(peer) => format!("to {peer}> "),
            To::All => "to all> ".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(peers: &[PeerId]) -> Recipients {
        let mut recipients = Recipients::new(false);
        for peer in peers {
            recipients.came(*peer, "127.0.0.1:5");
        }
        recipients
    }

    #[test]
    fn the_only_one_then_all_then_the_last_sender() {
        let mut recipients = with(&[]);
        assert_eq!(recipients.next(), To::Nobody);
        recipients.came(1, "a");
        assert_eq!(recipients.next(), To::One(1));
        recipients.came(2, "b");
        assert_eq!(recipients.next(), To::All);
        recipients.spoke(2);
        assert_eq!(recipients.next(), To::One(2));
        recipients.spoke(1);
        assert_eq!(recipients.next(), To::One(1));
        recipients.came(3, "c");
        recipients.left(1);
        assert_eq!(recipients.next(), To::All);
    }

    #[test]
    fn a_choice_holds_until_it_is_changed_or_the_peer_leaves() {
        let mut recipients = with(&[1, 2, 3]);
        recipients.choose(Choice::Peer(2));
        recipients.spoke(1);
        assert_eq!(recipients.next(), To::One(2));
        recipients.choose(Choice::All);
        recipients.spoke(3);
        assert_eq!(recipients.next(), To::All);
        recipients.choose(Choice::Latest);
        assert_eq!(recipients.next(), To::One(3));
        recipients.choose(Choice::Peer(2));
        recipients.left(2);
        assert_eq!(recipients.next(), To::One(3));
    }

    #[test]
    fn a_line_meant_for_somebody_reaches_nobody_else() {
        let mut recipients = with(&[1, 2]);
        assert!(recipients.reaches(To::One(2)) && recipients.reaches(To::All));
        recipients.left(2);
        assert!(!recipients.reaches(To::One(2)) && recipients.reaches(To::All));
        recipients.left(1);
        assert!(!recipients.reaches(To::All) && !recipients.reaches(To::Nobody));
    }

    #[test]
    fn prompts_name_the_recipient_where_there_is_a_choice() {
        let recipients = with(&[]);
        let prompts = [To::Nobody, To::One(12), To::All].map(|to| recipients.prompt(to));
        assert_eq!(prompts, ["nobody> ", "to 12> ", "to all> "]);
        assert_eq!(Recipients::new(true).prompt(To::One(1)), "> ");
    }
}
