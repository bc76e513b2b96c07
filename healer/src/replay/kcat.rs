//! Records as `kcat -J` writes them: one JSON object a line.

use std::io::{self, BufRead};

use serde::Deserialize;
use temper_healer_core::{Moment, telemetry::MAX_MESSAGE_BYTES};

/// A line is not read on beyond this: a message is escaped in it, so it takes some times its own size.
const MAX_LINE_BYTES: usize = 8 * MAX_MESSAGE_BYTES;

/// A partition of a higher number is no partition.
const MAX_PARTITION: i32 = 100_000;

/// A record of some topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which topic.
    pub topic: String,
    /// Which partition of it.
    pub partition: i32,
    /// Where in it.
    pub offset: i64,
    /// Its timestamp.
    pub at: Moment,
    /// The timestamp is a broker's, and not the producer's.
    pub appended: bool,
    /// What it says; empty for a tombstone.
    pub payload: String,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The records, as they stand in the file.
    pub all: Vec<Record>,
    /// How many lines were passed over because they are longer than any report.
    pub too_long: usize,
}

/// What is wrong with a file of records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadLine {
    /// It can't be read.
    #[error("line {line}: {source}")]
    Io {
        /// Which line, from 1.
        line: usize,
        /// Why.
        source: io::Error,
    },
    /// A line is no record.
    #[error(
        "line {line}: {why}; every line is a record as `kcat -J` writes it: topic, partition, offset, ts, key, payload"
    )]
    Syntax {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Deserialize)]
struct Line {
    topic: String,
    partition: i32,
    #[serde(default)]
    offset: i64,
    ts: i64,
    #[serde(default)]
    tstype: Option<String>,
    #[serde(default)]
    payload: Option<serde_json::Value>,
}

/// Reads all records of a file. Empty lines are skipped, and so are lines longer than any report, which are counted.
pub fn read(mut file: impl BufRead) -> Result<Records, BadLine> {
    let (mut records, mut bytes) = (Records::default(), Vec::new());
    for line in 1.. {
        let length =
            part_of_line(&mut file, &mut bytes).map_err(|source| BadLine::Io { line, source })?;
        if length == 0 {
            break;
        }
        if length >= MAX_LINE_BYTES {
            skip_line(&mut file, &mut bytes).map_err(|source| BadLine::Io { line, source })?;
            records.too_long += 1;
        } else if !bytes.trim_ascii().is_empty() {
            let wrong = |why: String| BadLine::Syntax { line, why };
            records.all.push(record(&bytes).map_err(wrong)?);
        }
    }
    Ok(records)
}

/// Reads a line, or as much of it as is looked at.
fn part_of_line(file: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<usize> {
    bytes.clear();
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    io::Read::take(file, limit).read_until(b'\n', bytes)
}

/// Reads on to the end of a line whose beginning is in `bytes`.
fn skip_line(file: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<()> {
    while !bytes.is_empty() && !bytes.ends_with(b"\n") {
        part_of_line(file, bytes)?;
    }
    Ok(())
}

fn record(line: &[u8]) -> Result<Record, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if !(0..=MAX_PARTITION).contains(&line.partition) {
        return Err(format!("there is no partition {}", line.partition));
    }
    let ts = u64::try_from(line.ts)
        .ok()
        .ok_or_else(|| format!("ts {} is no time: the record has no timestamp", line.ts))?;
    let payload = match line.payload {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    Ok(Record {
        topic: line.topic,
        partition: line.partition,
        offset: line.offset,
        at: Moment::from_unix_ms(ts),
        appended: line.tstype.as_deref() == Some("logappend"),
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_kcat_writes_it() {
        let line = r#"{"topic":"queue-events","partition":2,"offset":41,"tstype":"logappend","ts":1722500000250,"broker":0,"key":null,"payload":"{\"status\":\"started\"}"}"#;
        let records = read(line.as_bytes()).unwrap().all;
        assert_eq!(records.len(), 1);
        assert_eq!(
            (records[0].partition, records[0].offset, records[0].appended),
            (2, 41, true)
        );
        assert_eq!(records[0].payload, r#"{"status":"started"}"#);
    }

    #[test]
    fn a_line_longer_than_any_report_is_passed_over_and_counted() {
        let good = r#"{"topic":"t","partition":0,"offset":1,"ts":1,"payload":null}"#;
        for bytes in [MAX_LINE_BYTES, 2 * MAX_LINE_BYTES + 7] {
            let long = "x".repeat(bytes);
            let records = read(format!("{good}\n{long}\n{good}\n{long}").as_bytes()).unwrap();
            assert_eq!((records.all.len(), records.too_long), (2, 2));
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let wrong = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        let good = r#"{"topic":"t","partition":0,"offset":1,"ts":1,"payload":null}"#;
        assert!(wrong(&format!("{good}\n\nrubbish")).starts_with("line 3: "));
        assert!(wrong(r#"{"topic":"t","partition":-1,"ts":1}"#).contains("no partition -1"));
        assert!(wrong(r#"{"topic":"t","partition":0,"ts":-1}"#).contains("no timestamp"));
    }
}
