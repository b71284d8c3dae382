//! Why a proxy did not connect.

/// Why a proxy cannot be used, as the rest of a sentence that begins with the proxy's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) what: String,
    pub(super) hint: &'static str,
    /// Whether the proxy asks for a user and a password.
    pub(super) wants_login: bool,
}

impl Refusal {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: "", wants_login: false }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(super) fn wants_login(self) -> Self {
        Self { wants_login: true, ..self }
    }
}
