//! Shows a conversation above its prompt.

use std::future::Future;
use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::sync::Arc;

use unstick::Result;
use unstick::service::talk::{Event, Output};

use super::screen::PromptScreen;
use crate::frontend::terminal::is_printed;
use crate::frontend::terminal::render::{DisplayOptions, Rendered, Renderer};
use crate::text_queue::{self, To};

/// Shows a conversation above the prompt.
pub struct PromptOutput {
    renderer: Renderer,
    screen: Arc<PromptScreen>,
    /// Whether standard error is not the terminal: then everything but messages goes there.
    separate_errors: bool,
}

impl PromptOutput {
    /// With a single peer, its arrival is shown as a connection.
    pub(super) fn new(screen: Arc<PromptScreen>, options: DisplayOptions, single: bool) -> Self {
        let separate_errors = !io::stderr().is_terminal();
        let notice_colour = options.colour && !separate_errors;
        Self { renderer: Renderer::new(options, single, notice_colour), screen, separate_errors }
    }
}

impl Output for PromptOutput {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        self.screen.note(&event);
        let Some(Rendered { text, message }) = self.renderer.render(&event) else { return Ok(()) };
        if !message && !is_printed(&event) {
            return Ok(());
        }
        match self.separate_errors && !message {
            true => text_queue::say(To::Errors, text),
            false => self.screen.say(&text),
        }
        Ok(())
    }

    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        PromptScreen::room(&self.screen)
    }
}
