//! The keys of a configuration, checked before anything is made of their values.

use serde_json::{Map, Value};

use super::{SettingsError, wrong};

/// The keys that the provider takes for itself; the others are the policy's.
pub(crate) const OWN_KEYS: [&str; 7] = [
    "source", "arms", "strata", "pods", "settle", "patience", "record",
];

/// The keys of a configuration, if it has any.
pub(super) fn object(plugin: &str, value: Value) -> Result<Map<String, Value>, SettingsError> {
    let got = match value {
        Value::Object(keys) if keys.is_empty() => "an empty one",
        Value::Object(keys) => return Ok(keys),
        Value::Array(_) => "a list",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a truth value",
        Value::Null => "nothing",
    };
    Err(SettingsError::NoObject {
        plugin: plugin.to_owned(),
        got,
    })
}

/// Refuses keys that are nobody's, and configurations of which nothing is ours.
pub(super) fn refuse_strangers(
    plugin: &str,
    keys: &Map<String, Value>,
) -> Result<(), SettingsError> {
    let strangers: Vec<_> = keys
        .keys()
        .filter(|key| !ours().any(|known| known == *key))
        .collect();
    let Some(first) = strangers.first() else {
        return Ok(());
    };
    if strangers.len() < keys.len() {
        return Err(SettingsError::Unknown {
            key: (*first).clone(),
        });
    }
    let found: Vec<_> = strangers.iter().map(|key| format!("`{key}`")).collect();
    Err(SettingsError::Foreign {
        plugin: plugin.to_owned(),
        found: found.join(", "),
    })
}

fn ours() -> impl Iterator<Item = &'static str> {
    OWN_KEYS.into_iter().chain(temper_judge::KEYS)
}

/// All keys, for people.
pub(super) fn known() -> String {
    ours()
        .map(|key| format!("`{key}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The known key that was probably meant.
pub(super) fn hint(key: &str) -> String {
    let distance =
        |known: &str| strsim::damerau_levenshtein(&key.to_lowercase(), &known.to_lowercase());
    let nearest = ours().map(|known| (distance(known), known)).min();
    nearest
        .filter(|(distance, _)| *distance <= 2)
        .map_or_else(String::new, |(_, known)| {
            format!(", did you mean `{known}`?")
        })
}

/// Refuses texts that are empty or still have a placeholder in them: selectors made of them would select anything.
pub(super) fn refuse_blanks(path: &str, value: &Value) -> Result<(), SettingsError> {
    match value {
        Value::Object(keys) => keys
            .iter()
            .try_for_each(|(key, value)| refuse_blanks(&format!("{path}.{key}"), value)),
        Value::Array(list) => list.iter().try_for_each(|value| refuse_blanks(path, value)),
        Value::String(text) if text.trim().is_empty() => Err(wrong(path, "it is empty")),
        Value::String(text) if text.contains("{{") => Err(wrong(
            path,
            "a placeholder `{{` was not filled in: give the run that argument",
        )),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_met_with_the_nearest_key() {
        assert_eq!(hint("erors"), ", did you mean `errors`?");
        assert_eq!(hint("WarmUp"), ", did you mean `warmUp`?");
        assert_eq!(hint("query"), "");
    }
}
