//! A row of the table of presets, and how a family writes it.

use crate::role::Role;

/// How messages of a protocol are best written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFormat {
    /// In hexadecimal: they are binary.
    Hex,
    /// As lines: they are text, one line each.
    Line,
    /// As lines with escapes: they are text mostly, in more than one line.
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
    /// Where it is specified, with the section.
    pub document: &'static str,
    /// The port it is mostly found on; 0 where there is none.
    pub port: u16,
    /// The usual settings of the serial line it is found on, as `serial:PATH?` takes them; empty where it is on none.
    pub serial: &'static str,
    /// How its messages are best written down.
    pub format: MessageFormat,
    /// The framing of what a client sends.
    pub client: &'static str,
    /// The framing of what a server sends.
    pub server: &'static str,
}

/// Presets that belong together.
#[derive(Debug)]
pub struct Family {
    /// What they have in common.
    pub title: &'static str,
    /// Its rows.
    pub presets: &'static [Preset],
}

impl Preset {
    /// A row whose sides send the same frames.
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

    /// Whose messages are binary.
    pub(super) const fn binary(
        name: &'static str,
        title: &'static str,
        port: u16,
        document: &'static str,
        spec: &'static str,
    ) -> Self {
        Self::row(name, title, port, document, MessageFormat::Hex, spec)
    }

    /// Whose messages are lines.
    pub(super) const fn lines(
        name: &'static str,
        title: &'static str,
        port: u16,
        document: &'static str,
        spec: &'static str,
    ) -> Self {
        Self::row(name, title, port, document, MessageFormat::Line, spec)
    }

    /// Whose messages are text, mostly of more lines than one.
    pub(super) const fn text(
        name: &'static str,
        title: &'static str,
        port: u16,
        document: &'static str,
        spec: &'static str,
    ) -> Self {
        Self::row(name, title, port, document, MessageFormat::Escaped, spec)
    }

    /// What its servers send, where that differs.
    pub(super) const fn answers(mut self, spec: &'static str) -> Self {
        self.server = spec;
        self
    }

    /// Other names.
    pub(super) const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The usual settings of its serial line.
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
