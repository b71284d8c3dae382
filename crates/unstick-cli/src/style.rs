//! Defines the colours of what is printed, and gives a text a colour.

use anstyle::{AnsiColor, Style};

pub const BOLD: Style = Style::new().bold();
pub const FAINT: Style = Style::new().dimmed();
pub const RED: Style = AnsiColor::Red.on_default();
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const BLUE: Style = AnsiColor::Blue.on_default();
pub const MAGENTA: Style = AnsiColor::Magenta.on_default();
pub const CYAN: Style = AnsiColor::Cyan.on_default();

/// Returns a text in a style if colour is on.
pub fn styled(on: bool, text: &str, style: Style) -> String {
    if on && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
}
