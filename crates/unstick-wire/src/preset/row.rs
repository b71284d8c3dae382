//! A row of the table of presets, and the functions with which a family writes it.

use crate::role::Role;

/// The best way to write down the messages of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFormat {
    /// In hexadecimal: they are binary.
    Hex,
    /// As lines: they are text, one line each.
    Line,
    /// As lines with escapes: they are mostly text, in several lines.
    Escaped,
}

/// A protocol by name: a row of the table.
#[derive(Debug)]
pub struct Preset {
    /// Its name in a spec.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// The protocol's own name.
    pub title: &'static str,
    /// The document that specifies it, with the section.
    pub document: &'static str,
    /// Its usual port; 0 if it has none.
    pub port: u16,
    /// The usual settings of its serial line, as `serial:PATH?` takes them; empty if it uses none.
    pub serial: &'static str,
    /// The best way to write down its messages.
    pub format: MessageFormat,
    /// The framing of what a client sends.
    pub client: &'static str,
    /// The framing of what a server sends.
    pub server: &'static str,
}

/// Presets that belong together.
#[derive(Debug)]
pub struct Family {
    /// The title of the family.
    pub title: &'static str,
    /// Its rows.
    pub presets: &'static [Preset],
}

impl Preset {
    /// Makes a row for a protocol whose two sides send the same frames.
    pub(super) const fn row(
        name: &'static str,
        title: &'static str,
        port: u16,
        document: &'static str,
        format: MessageFormat,
        spec: &'static str,
    ) -> Self {
        Self { name, aliases: &[], title, document, port, serial: "", format, client: spec, server: spec }
    }

    /// Makes a row for a protocol of binary messages.
    pub(super) const fn binary(
        name: &'static str,
        title: &'static str,
        port: u16,
        document: &'static str,
        spec: &'static str,
    ) -> Self {
        Self::row(name, title, port, document, MessageFormat::Hex, spec)
    }

    /// Makes a row for a protocol whose messages are lines.
    pub(super) const fn lines(
        name: &'static str,
        title: &'static str,
        port: u16,
        document: &'static str,
        spec: &'static str,
    ) -> Self {
        Self::row(name, title, port, document, MessageFormat::Line, spec)
    }

    /// Makes a row for a protocol whose messages are text, mostly several lines each.
    pub(super) const fn text(
        name: &'static str,
        title: &'static str,
        port: u16,
        document: &'static str,
        spec: &'static str,
    ) -> Self {
        Self::row(name, title, port, document, MessageFormat::Escaped, spec)
    }

    /// Sets the framing of what servers send, if it differs.
    pub(super) const fn answers(mut self, spec: &'static str) -> Self {
        self.server = spec;
        self
    }

    /// Sets other names.
    pub(super) const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Sets the usual settings of the serial line.
    pub(super) const fn on_serial(mut self, settings: &'static str) -> Self {
        self.serial = settings;
        self
    }

    /// The framing spec of what this side sends.
    pub fn spec(&self, role: Role) -> &'static str {
        match role {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}
