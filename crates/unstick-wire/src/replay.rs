//! A recorded conversation, played again: which message comes next, what is left out when messages are compared, and what differs.
//!
//! A [`Script`] holds the messages of one recorded connection. A [`Playbook`] is all of them with their [`Rules`]; a [`Player`]
//! answers one client from it.
//!
//! ```
//! use std::time::Duration;
//! use unstick_wire::Role;
//! use unstick_wire::replay::{Playbook, Player, Rules, Script, Step};
//!
//! let step = |from, text: &'static str| Step::new(from, text, text, Duration::ZERO);
//! let steps = vec![step(Role::Client, "ping 1"), step(Role::Server, "pong 1")];
//! let script = Script { connection: 1, steps, server_ends_first: false };
//! // The number at byte 5 comes back in the answer.
//! let mut rules = Rules::default();
//! rules.copies.push("5:1".parse()?);
//! let book = Playbook::new(vec![script], rules);
//!
//! let mut player = Player::new(&book, vec![0]);
//! assert!(!player.takes(b"pang 7"));
//! assert!(player.takes(b"ping 7"));
//! assert_eq!(player.answer().as_deref(), Some(&b"pong 7"[..]));
//! # Ok::<(), unstick_wire::SpecError>(())
//! ```
//!
//! Not here: files, clocks and sockets, which `unstick::service::replay` adds.

mod asker;
mod book;
mod learn;
mod player;
mod rules;
mod script;

pub use asker::Asker;
pub use book::Playbook;
pub use learn::{Learnt, Unlike};
pub use player::Player;
pub use rules::{CopyRule, Difference, Pattern, Rules};
pub use script::{Script, Step};
