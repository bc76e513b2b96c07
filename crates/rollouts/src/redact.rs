//! Keeps what comes from Secrets out of sight.

use crate::AnalysisRun;

/// What stands in place of a secret, as in the controller's own messages.
const MASK: &str = "*****";

/// Knows texts that must not be shown.
///
/// The controller redacts the message of a measurement, but neither its value nor its metadata.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first: one may contain another.
    secrets: Vec<String>,
}

impl Redactor {
    /// One that knows these texts. Empty ones are ignored.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<_> = secrets
            .into_iter()
            .filter(|secret| !secret.is_empty())
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    /// One that knows the arguments of a run that come from Secrets.
    pub fn of(run: &AnalysisRun) -> Self {
        let secret = run.spec.args.iter().filter(|argument| {
            argument
                .value_from
                .as_ref()
                .is_some_and(|from| from.secret_key_ref.is_some())
        });
        Self::new(secret.filter_map(|argument| argument.value.clone()))
    }

    /// One that knows these texts too.
    #[must_use]
    pub fn and(self, secrets: impl IntoIterator<Item = String>) -> Self {
        Self::new(self.secrets.into_iter().chain(secrets))
    }

    /// The text without secrets.
    pub fn redact(&self, text: &str) -> String {
        self.secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor of {} texts", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_within_another_does_not_uncover_it() {
        let redactor = Redactor::new(["pass".to_owned(), "password".to_owned(), String::new()]);
        assert_eq!(
            redactor.redact("password, pass, word"),
            "*****, *****, word"
        );
        assert!(!format!("{redactor:?}").contains("pass"));
    }
}
