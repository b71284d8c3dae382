//! What a conversation looks like at this end: a prompt, a terminal without one, a pipe of messages, or JSON lines.

pub mod json;
pub mod pipe;
pub mod prompt;
pub mod terminal;
