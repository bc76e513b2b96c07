//! Reading configuration that people write: known keys only, values in the spellings that templates produce.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use crate::go_duration;

/// A configuration that can't be used: which key, what is wrong with it, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    /// Path of the key, such as `latency.maxSlowdown`.
    pub path: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

/// How far a misspelled key may be from the one that was meant: one wrong, missing or swapped letter in three.
const SIMILAR: f64 = 0.66;

/// The keys of an object, all of them known.
#[derive(Debug, Clone)]
pub struct Keys<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    /// Opens the object at `path` (empty for the outermost), which may have the keys `known` and no others.
    pub fn open(path: &str, value: &'a Value, known: &[&str]) -> Result<Self, PolicyError> {
        let Value::Object(map) = value else {
            let (known, got) = (known.join(", "), kind(value));
            let problem = format!("expected an object with {known}, got {got}");
            return Err(PolicyError {
                path: path.to_owned(),
                problem,
            });
        };
        let keys = Self {
            path: path.to_owned(),
            map,
        };
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => Err(keys.error(unknown, unknown_key(unknown, known))),
            None => Ok(keys),
        }
    }

    /// An error about one of the keys.
    pub fn error(&self, key: &str, problem: impl Into<String>) -> PolicyError {
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        PolicyError {
            path,
            problem: problem.into(),
        }
    }

    /// The value of a key, if it is there and not null.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The object under a key.
    pub fn object(&self, key: &str, known: &[&str]) -> Result<Option<Self>, PolicyError> {
        let path = self.error(key, "").path;
        self.value(key)
            .map(|value| Keys::open(&path, value, known))
            .transpose()
    }

    /// A text that must be there and not empty.
    pub fn text(&self, key: &str) -> Result<String, PolicyError> {
        match self.value(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
            Some(other) => Err(self.error(key, format!("expected a text, got {}", kind(other)))),
            None => Err(self.error(key, "is missing")),
        }
    }

    /// A number, which may be written as a text: templates make texts of all that they fill in.
    pub fn number(&self, key: &str) -> Result<Option<f64>, PolicyError> {
        self.parsed(key, "a number such as 1.5", |text| text.parse().ok())
    }

    /// A share: `5%` or `0.05`.
    pub fn share(&self, key: &str) -> Result<Option<f64>, PolicyError> {
        self.parsed(key, "a share such as 5% or 0.05", |text| {
            match text.strip_suffix('%') {
                Some(percent) => percent
                    .trim_end()
                    .parse::<f64>()
                    .ok()
                    .map(|percent| percent / 100.0),
                None => text.parse().ok(),
            }
        })
    }

    /// A duration as Go writes it.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, PolicyError> {
        self.parsed(key, "a duration such as 30s or 1h30m", go_duration)
    }

    /// `true` or `false`.
    pub fn switch(&self, key: &str) -> Result<Option<bool>, PolicyError> {
        self.parsed(key, "true or false", |text| text.parse().ok())
    }

    /// One of several words.
    pub fn choice<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, PolicyError> {
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        self.parsed(key, &names.join(" or "), |text| {
            words
                .iter()
                .find(|(name, _)| *name == text)
                .map(|(_, value)| *value)
        })
    }

    fn parsed<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, PolicyError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let (text, got) = match value {
            Value::String(text) => (text.trim().to_owned(), value.to_string()),
            Value::Number(_) | Value::Bool(_) => (value.to_string(), value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => (String::new(), kind(value).into()),
        };
        match parse(&text) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(self.error(key, format!("expected {expected}, got {got}"))),
        }
    }
}

/// What a value is, without what it says: anything may have been filled in from a Secret.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(text) if text.trim().is_empty() => r#""""#,
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        Value::Null => "null",
    }
}

fn unknown_key(unknown: &str, known: &[&str]) -> String {
    let similarity = |key: &&&str| {
        strsim::normalized_damerau_levenshtein(&unknown.to_lowercase(), &key.to_lowercase())
    };
    let closest = known
        .iter()
        .max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match closest.filter(|key| similarity(key) >= SIMILAR) {
        Some(key) => format!("unknown key, did you mean {key}?"),
        None => format!("unknown key, known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_of_the_wrong_kind_is_named_by_its_kind_alone() {
        let secret = json!(["hush"]);
        for (value, got) in [
            (json!("hush"), "a text"),
            (secret.clone(), "a list"),
            (json!(8_472_910), "a number"),
        ] {
            let error = Keys::open("source", &value, &["prometheus"]).unwrap_err();
            let expected = format!("source: expected an object with prometheus, got {got}");
            assert_eq!(error.to_string(), expected);
        }
        let object =
            json!({"file": {"token": "hush"}, "timeout": {"token": "hush"}, "pin": 8_472_910});
        let keys = Keys::open("", &object, &["file", "timeout", "pin"]).unwrap();
        for (error, expected) in [
            (
                keys.text("file").unwrap_err(),
                "file: expected a text, got an object",
            ),
            (
                keys.text("pin").unwrap_err(),
                "pin: expected a text, got a number",
            ),
            (
                keys.duration("timeout").unwrap_err(),
                "timeout: expected a duration such as 30s or 1h30m, got an object",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
