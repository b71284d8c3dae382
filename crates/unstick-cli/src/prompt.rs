//! The prompt.

use std::cell::Cell;
use std::rc::Rc;

use unstick::Result;
use unstick::service::talk::{Command, Input};

use crate::terminal::{Look, TerminalOutput};

/// Puts the terminal back.
pub fn restore() {}

/// Input.
pub struct PromptInput;

impl PromptInput {
    /// Whether ^C ended it.
    pub fn interrupted(&self) -> Rc<Cell<bool>> {
        Rc::default()
    }
}

impl Input for PromptInput {
    async fn next(&mut self) -> Result<Option<Command>> {
        std::future::pending().await
    }
}

/// Starts.
pub fn start(look: Look, _listening: bool) -> Result<(PromptInput, TerminalOutput)> {
    Ok((PromptInput, TerminalOutput::plain(look)))
}
