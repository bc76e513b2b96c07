//! Log lines that a go-plugin host shows as its own, and that can't hurt it.
//!
//! The host reads our standard error line by line and takes each JSON object for a record. It panics when `@message`,
//! `@level` or `@timestamp` is no string, takes a record with another form of time for plain text, and splits lines of
//! 64 KiB. So every value here is a string, the time has the one form, and long texts are cut.

use std::{
    fmt,
    io::{self, Write as _},
};

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// Longest text in a record, in bytes: with a few of them a line stays far below the host's 64 KiB even when every byte
/// has to be escaped.
const MOST_TEXT: usize = 2048;

/// Most values in a record, for the same reason.
const MOST_VALUES: usize = 16;

/// How much a record matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For who looks into a problem.
    Debug,
    /// What happened.
    Info,
    /// Something to know, that mends itself.
    Warn,
    /// A person must act.
    Error,
}

/// Writes a record at level debug.
pub fn debug(message: &str, values: &[(&str, &dyn fmt::Display)]) {
    write(Level::Debug, message, values);
}

/// Writes a record at level info.
pub fn info(message: &str, values: &[(&str, &dyn fmt::Display)]) {
    write(Level::Info, message, values);
}

/// Writes a record at level warn.
pub fn warn(message: &str, values: &[(&str, &dyn fmt::Display)]) {
    write(Level::Warn, message, values);
}

/// Writes a record at level error.
pub fn error(message: &str, values: &[(&str, &dyn fmt::Display)]) {
    write(Level::Error, message, values);
}

/// Has panics logged as records instead of the plain text that Rust prints.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        error(
            "a bug: this call failed, the plugin goes on",
            &[("panic", panic)],
        );
    }));
}

/// Writes a record to standard error. A host that no longer reads is no reason to fail.
pub fn write(level: Level, message: &str, values: &[(&str, &dyn fmt::Display)]) {
    let line = line(Timestamp::now(), level, message, values);
    let _unread = io::stderr().lock().write_all(line.as_bytes());
}

fn line(
    at: Timestamp,
    level: Level,
    message: &str,
    values: &[(&str, &dyn fmt::Display)],
) -> String {
    let record = Record {
        at,
        level,
        message,
        values,
    };
    let mut line = serde_json::to_string(&record).unwrap_or_default();
    line.push('\n');
    line
}

struct Record<'a> {
    at: Timestamp,
    level: Level,
    message: &'a str,
    values: &'a [(&'a str, &'a dyn fmt::Display)],
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("@level", self.level.name())?;
        map.serialize_entry("@message", &cut(self.message.to_owned()))?;
        let at = self.at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        map.serialize_entry("@timestamp", &at)?;
        for (key, value) in self.values.iter().take(MOST_VALUES) {
            // A key of ours can't stand for one of the three that the host takes apart.
            map.serialize_entry(key.trim_start_matches('@'), &cut(value.to_string()))?;
        }
        map.end()
    }
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MOST_TEXT {
        text.truncate(text.floor_char_boundary(MOST_TEXT));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at() -> Timestamp {
        Timestamp::new(1_767_322_800, 6_000).unwrap()
    }

    #[test]
    fn a_record_has_the_form_that_the_host_reads() {
        let line = line(at(), Level::Warn, "prometheus is down", &[("look", &3)]);
        let expected = concat!(
            r#"{"@level":"warn","@message":"prometheus is down","#,
            r#""@timestamp":"2026-01-02T03:00:00.000006Z","look":"3"}"#,
            "\n"
        );
        assert_eq!(line, expected);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_line_that_hurts_the_host(
            message in any::<String>(),
            key in any::<String>(),
            value in any::<String>(),
            times in 1..2000_usize,
        ) {
            let message = message.repeat(times);
            let value = value.repeat(times);
            let many: Vec<(&str, &dyn fmt::Display)> = vec![(&key, &value); 40];
            let line = line(at(), Level::Info, &message, &many);
            prop_assert!(line.len() < 65_536 * 4 / 3);
            prop_assert_eq!(line.matches('\n').count(), 1);
            let record: serde_json::Value = serde_json::from_str(&line).unwrap();
            for (_, value) in record.as_object().unwrap() {
                prop_assert!(value.is_string());
            }
        }
    }
}
