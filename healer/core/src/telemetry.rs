//! What workers and people say on Kafka, read with tolerance.
//!
//! StreamForge's pages show one message in half a dozen variants: without `records_written`, with `telemetry_id` instead of `producer`,
//! without `timestamp`, with fields of their own. So every field but the status is optional, a field of another type than expected
//! counts as absent, fields that nobody here knows are skipped, and a status that nobody knows is still a sign of life. What can't be read at all is an [`Unreadable`], to be counted and
//! passed over: no message may hold up a partition.

mod lenient;

use std::borrow::Cow;

use serde::Deserialize;

use self::lenient::{Flag, Number, Text, without_not_numbers};
use crate::Moment;

/// A message of more bytes is not looked into: workers' reports are some hundred bytes.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// A queue or producer whose name is longer is taken for garbage; names are remembered, so they must be bounded.
pub const MAX_NAME_BYTES: usize = 253;

/// What a worker said about itself, on `queue-events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// The queue that the worker works for; empty if the worker does not say.
    pub queue: Cow<'a, str>,
    /// Which worker: `producer`, or `telemetry_id` where there is no producer.
    pub producer: Cow<'a, str>,
    /// What it is doing.
    pub status: Status,
    /// In its own words.
    pub message: Option<Cow<'a, str>>,
    /// How many records it has written since it began.
    pub records: Option<u64>,
    /// When, by the worker's own clock, which may be wrong.
    pub stamp: Option<Moment>,
    /// The time came in milliseconds although the field is in seconds: a known slip.
    pub stamp_in_ms: bool,
}

/// What a worker can be doing. A terminal flag beside another status is read as [`Status::Finished`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It has begun.
    Started,
    /// It is at work.
    Loading,
    /// It has done all it had to do.
    Finished,
    /// It failed.
    Error,
    /// It was told to end: by a `stop`, or by the termination of its pod.
    Interrupted,
    /// It answers a `ping`.
    Pong,
    /// Something else: it is alive, and that is all we know.
    Other,
    /// A state of the queue in the database (`stopped`, `pending`), which says nothing of the worker.
    OfQueue,
}

/// What people or the queue-manager demand, on `queue-control`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// The queue that it is for, with all its workers.
    pub queue: Cow<'a, str>,
    /// What is to be done.
    pub demand: Demand,
    /// When that was demanded, by the clock of whoever did.
    pub stamp: Option<Moment>,
}

/// What can be demanded of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// That its workers begin.
    Start,
    /// That its workers end.
    Stop,
    /// Nothing that matters here: a `ping`, or telemetry on the wrong topic.
    Other,
}

/// Why a message says nothing to us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It is empty: a tombstone.
    #[error("the message is empty")]
    Empty,
    /// It is too large to be a report.
    #[error("the message has {bytes} bytes, more than {MAX_MESSAGE_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It is not a JSON object.
    #[error("the message is not a JSON object: {0}")]
    NotJson(String),
    /// It has no status, or no command.
    #[error("the message has no `{0}`")]
    Without(&'static str),
    /// Its status or command is none that we know.
    #[error("unknown {field} `{value}`")]
    Unknown {
        /// Which field.
        field: &'static str,
        /// The first characters of what it holds.
        value: String,
    },
    /// A name is too long.
    #[error("a name of {bytes} bytes, more than {MAX_NAME_BYTES}")]
    LongName {
        /// Its size.
        bytes: usize,
    },
}

impl Unreadable {
    /// One word for it, the label of a metric.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too_large",
            Self::NotJson(_) => "not_json",
            Self::Without(_) => "incomplete",
            Self::Unknown { .. } => "unknown",
            Self::LongName { .. } => "long_name",
        }
    }
}

#[derive(Deserialize)]
struct RawReport<'a> {
    #[serde(borrow, default)]
    queue_id: Text<'a>,
    #[serde(borrow, default)]
    producer: Text<'a>,
    #[serde(borrow, default)]
    telemetry_id: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(default)]
    records_written: Number,
    #[serde(default)]
    finished: Flag,
    #[serde(default)]
    timestamp: Number,
}

impl<'a> Report<'a> {
    /// Reads a message of `queue-events`.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Unreadable> {
        let read = json(payload).and_then(Self::read);
        // A trainer whose loss is not a number any more still says that it is at work.
        let clean = matches!(read, Err(Unreadable::NotJson(_)))
            .then(|| without_not_numbers(payload))
            .flatten();
        match clean {
            Some(clean) => json(&clean).and_then(Report::read).map(Report::into_owned),
            None => read,
        }
    }

    fn read(raw: RawReport<'a>) -> Result<Self, Unreadable> {
        let status = status(&raw)?;
        let producer = name(raw.producer.0.or(raw.telemetry_id.0))?;
        let stamp = raw.timestamp.0.and_then(seconds_or_ms);
        Ok(Self {
            queue: name(raw.queue_id.0)?,
            producer: (!producer.is_empty())
                .then_some(producer)
                .ok_or(Unreadable::Without("producer"))?,
            status,
            message: raw.message.0,
            records: raw.records_written.0.and_then(whole),
            stamp: stamp.map(|(moment, _)| moment),
            stamp_in_ms: stamp.is_some_and(|(_, in_ms)| in_ms),
        })
    }

    /// The same, of a message that need not last as long.
    fn into_owned(self) -> Report<'static> {
        Report {
            queue: self.queue.into_owned().into(),
            producer: self.producer.into_owned().into(),
            message: self.message.map(|message| message.into_owned().into()),
            status: self.status,
            records: self.records,
            stamp: self.stamp,
            stamp_in_ms: self.stamp_in_ms,
        }
    }

    /// What kind of worker it is: the producer's name up to its `__`, all of it where there is none.
    pub fn target(&self) -> &str {
        target(&self.producer)
    }
}

/// The part of a telemetry id (`<target>__<shortid>`) that names the kind of worker.
pub fn target(producer: &str) -> &str {
    producer
        .split_once("__")
        .map_or(producer, |(target, _)| target)
}

fn status(raw: &RawReport<'_>) -> Result<Status, Unreadable> {
    let word = raw
        .status
        .0
        .as_deref()
        .ok_or(Unreadable::Without("status"))?;
    let status = match word {
        "started" => Status::Started,
        "loading" => Status::Loading,
        "finished" => Status::Finished,
        "error" => Status::Error,
        "interrupted" => Status::Interrupted,
        "pong" => Status::Pong,
        "stopped" | "pending" => Status::OfQueue,
        _ => Status::Other,
    };
    let goes_on = matches!(status, Status::Started | Status::Loading | Status::Other);
    Ok(if goes_on && raw.finished.0 {
        Status::Finished
    } else {
        status
    })
}

#[derive(Deserialize)]
struct RawCommand<'a> {
    #[serde(borrow, default)]
    command: Text<'a>,
    #[serde(borrow, default)]
    queue_id: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(default)]
    timestamp: Number,
}

impl<'a> Command<'a> {
    /// Reads a message of `queue-control`.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Unreadable> {
        let raw: RawCommand<'a> = json(payload)?;
        let demand = demand(&raw)?;
        let queue = name(raw.queue_id.0)?;
        if demand != Demand::Other && queue.is_empty() {
            return Err(Unreadable::Without("queue_id"));
        }
        let stamp = raw.timestamp.0.and_then(seconds_or_ms);
        Ok(Self {
            queue,
            demand,
            stamp: stamp.map(|(moment, _)| moment),
        })
    }
}

fn demand(raw: &RawCommand<'_>) -> Result<Demand, Unreadable> {
    match raw.command.0.as_deref() {
        Some("start") => Ok(Demand::Start),
        Some("stop") => Ok(Demand::Stop),
        Some("ping") => Ok(Demand::Other),
        Some(other) => Err(unknown("command", other)),
        // One page of StreamForge's shows telemetry on this topic.
        None if raw.kind.0.as_deref() == Some("telemetry") => Ok(Demand::Other),
        None => Err(Unreadable::Without("command")),
    }
}

fn json<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Unreadable> {
    match payload.len() {
        0 => Err(Unreadable::Empty),
        bytes if bytes > MAX_MESSAGE_BYTES => Err(Unreadable::TooLarge { bytes }),
        // Serde would read a list as a struct whose fields come in order.
        _ if payload.trim_ascii_start().first() != Some(&b'{') => {
            Err(Unreadable::NotJson("it does not begin with {".to_owned()))
        }
        _ => {
            serde_json::from_slice(payload).map_err(|error| Unreadable::NotJson(error.to_string()))
        }
    }
}

fn name(text: Option<Cow<'_, str>>) -> Result<Cow<'_, str>, Unreadable> {
    let text = text.unwrap_or_default();
    if text.len() > MAX_NAME_BYTES {
        return Err(Unreadable::LongName { bytes: text.len() });
    }
    Ok(text)
}

fn unknown(field: &'static str, value: &str) -> Unreadable {
    let value = value.chars().take(40).collect();
    Unreadable::Unknown { field, value }
}

/// A time in seconds, or in milliseconds if it would be later than the year 5138 in seconds; and which of the two.
fn seconds_or_ms(number: f64) -> Option<(Moment, bool)> {
    let in_ms = number > 1e11;
    let ms = if in_ms { number } else { number * 1e3 };
    whole(ms).map(|ms| (Moment::from_unix_ms(ms), in_ms))
}

/// The whole part of a count or a time, if it is one.
fn whole(number: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked just before, and a fraction is meant to be cut off"
    )]
    (0.0..9e15).contains(&number).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(json: &str) -> Result<Report<'_>, Unreadable> {
        Report::parse(json.as_bytes())
    }

    #[test]
    fn every_variant_on_streamforges_pages_is_read() {
        let canonical = r#"{"queue_id":"wf-btc-1","producer":"loader-producer__a1b2c3","symbol":"BTCUSDT","type":"api_candles_1m",
            "status":"loading","message":"loaded 1000","records_written":1000,"finished":false,"timestamp":1722500000.25}"#;
        let read = report(canonical).unwrap();
        assert_eq!(read.status, Status::Loading);
        assert_eq!(read.records, Some(1000));
        assert_eq!(read.stamp, Some(Moment::from_unix_ms(1_722_500_000_250)));
        assert_eq!(read.target(), "loader-producer");

        let trainer = r#"{"queue_id":"q","producer":"gnn-trainer__1","status":"loading","extra":{"epoch":3,"loss":0.1}}"#;
        assert_eq!(report(trainer).unwrap().records, None);

        let visualizer = r#"{"telemetry_id":"visualizer__9","queue_id":"visual-1","status":"finished","output_path":"s3://x"}"#;
        let read = report(visualizer).unwrap();
        assert_eq!(
            (&*read.producer, read.status),
            ("visualizer__9", Status::Finished)
        );

        // The page of graph-builder, whose producer is called otherwise.
        let builder = r#"{"queue_id":"q","producer":"graph-build__a1b2c3","status":"finished","finished":true,"records_written":7}"#;
        assert_eq!(report(builder).unwrap().target(), "graph-build");

        let dummy = r#"{"producer":"dummy__1","status":"pong","timestamp":1722500000.5}"#;
        let read = report(dummy).unwrap();
        assert_eq!(
            (read.status, read.stamp),
            (Status::Pong, Some(Moment::from_unix_ms(1_722_500_000_500)))
        );
        let stopped = r#"{"producer":"p","status":"stopped"}"#;
        assert_eq!(report(stopped).unwrap().status, Status::OfQueue);

        let both = r#"{"telemetry_id":"b","producer":"a","status":"started"}"#;
        assert_eq!(report(both).unwrap().producer, "a");
        assert_eq!(
            report(r#"{"producer":"dummy__1","status":"pong"}"#)
                .unwrap()
                .status,
            Status::Pong
        );
        assert_eq!(
            report(r#"{"producer":"p","status":"pending"}"#)
                .unwrap()
                .status,
            Status::OfQueue
        );
        let done = r#"{"producer":"p","status":"loading","finished":true}"#;
        assert_eq!(report(done).unwrap().status, Status::Finished);
        let failed = r#"{"producer":"p","status":"error","finished":true}"#;
        assert_eq!(report(failed).unwrap().status, Status::Error);
    }

    #[test]
    fn milliseconds_where_seconds_belong_are_understood_and_said() {
        let read =
            report(r#"{"producer":"p","status":"loading","timestamp":1672531200000}"#).unwrap();
        assert_eq!(read.stamp, Some(Moment::from_unix_ms(1_672_531_200_000)));
        assert!(read.stamp_in_ms);
    }

    #[test]
    fn a_field_of_another_type_counts_as_absent() {
        let odd = r#"{"producer":7,"queue_id":null,"status":"loading","message":{"a":[1]},"records_written":"12","finished":"yes","timestamp":[]}"#;
        let read = report(odd).unwrap();
        assert_eq!((&*read.producer, &*read.queue), ("7", ""));
        assert_eq!(
            (read.records, read.stamp, read.message),
            (Some(12), None, None)
        );
    }

    #[test]
    fn what_cant_be_read_says_why() {
        assert_eq!(Report::parse(b""), Err(Unreadable::Empty));
        assert_eq!(report("[]").unwrap_err().label(), "not_json");
        assert_eq!(report("{\"status\":").unwrap_err().label(), "not_json");
        assert_eq!(
            report(r#"{"producer":"p"}"#),
            Err(Unreadable::Without("status"))
        );
        assert_eq!(
            report(r#"{"status":"error"}"#),
            Err(Unreadable::Without("producer"))
        );
        let large = vec![b' '; MAX_MESSAGE_BYTES + 1];
        assert_eq!(Report::parse(&large).unwrap_err().label(), "too_large");
        let long = format!(r#"{{"producer":"{}","status":"error"}}"#, "x".repeat(254));
        assert_eq!(
            report(&long).unwrap_err(),
            Unreadable::LongName { bytes: 254 }
        );
    }

    #[test]
    fn a_status_that_nobody_knows_is_a_sign_of_life() {
        let alive = r#"{"producer":"p","status":"retrying"}"#;
        assert_eq!(report(alive).unwrap().status, Status::Other);
        let done = r#"{"producer":"p","status":"complete","finished":true}"#;
        assert_eq!(report(done).unwrap().status, Status::Finished);
    }

    #[test]
    fn what_python_writes_for_no_number_hides_nothing_else() {
        let trainer = r#"{"producer":"gnn-trainer__1","status":"loading","message":"loss is NaN \\\" NaN","extra":{"loss":NaN,"best":-Infinity},"records_written":Infinity}"#;
        let read = report(trainer).unwrap();
        assert_eq!(
            (&*read.producer, read.status),
            ("gnn-trainer__1", Status::Loading)
        );
        assert_eq!(read.message.as_deref(), Some("loss is NaN \\\" NaN"));
        assert_eq!(read.records, None);
        assert_eq!(report(r#"{"a":NaN"#).unwrap_err().label(), "not_json");
        assert_eq!(report(r#"{"a":NaNN}"#).unwrap_err().label(), "not_json");
    }

    #[test]
    fn commands_are_read() {
        let command = |json: &'static str| Command::parse(json.as_bytes());
        let stop = command(r#"{"command":"stop","queue_id":"q"}"#).unwrap();
        assert_eq!((&*stop.queue, stop.demand), ("q", Demand::Stop));
        assert_eq!(
            command(r#"{"command":"ping"}"#).unwrap().demand,
            Demand::Other
        );
        let stray = r#"{"type":"telemetry","queue_id":"q","status":"finished","finished_at":1}"#;
        assert_eq!(command(stray).unwrap().demand, Demand::Other);
        assert_eq!(
            command(r#"{"command":"stop"}"#),
            Err(Unreadable::Without("queue_id"))
        );
        assert_eq!(
            command(r#"{"command":"explode"}"#).unwrap_err().label(),
            "unknown"
        );
    }
}
