//! Questions that chaos experiments ask, each answered by its status: 200, the hypothesis holds; 503, it is violated, undecided, or nobody
//! can tell; 400, a bad question; 404, no such question.
//!
//! An answer is made from the board alone, so it costs microseconds, and one that is made from an old board is 503.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use serde_json::{Value, json};
use temper_healer_core::{
    Moment, Topic, Verdict,
    policy::{Cause, Span},
};
use tokio::{sync::oneshot, time::timeout};

use super::Source;
use crate::{
    board::Notes,
    incidents::Incident,
    shell::{Message, Subject},
};

/// A board that was not written for so long says nothing.
const MAX_AGE: Duration = Duration::from_secs(5);

/// The thread that decides answers within milliseconds, or is not there.
const PATIENCE: Duration = Duration::from_secs(1);

type Questions = BTreeMap<String, String>;

/// The probes, and what each may be asked.
const PROBES: [(&str, &[&str]); 11] = [
    ("steady", &[]),
    ("healed", &["within", "queue_id", "producer", "mark"]),
    ("no-false-heals", &["window"]),
    ("no-duplicates", &[]),
    ("no-lost-jobs", &[]),
    ("kafka", &[]),
    ("lag", &["max"]),
    ("blind", &[]),
    ("storm", &[]),
    ("rollout", &[]),
    ("mark", &[]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Finding {
    Holds,
    Violated,
    Pending,
    Blind,
}

struct Answer {
    state: Finding,
    observed: Value,
    threshold: Value,
    evidence: Vec<u64>,
}

enum Refused {
    Unknown(String),
    Bad(String),
}

pub(super) fn routes() -> Router<Source> {
    Router::new().route("/probes/{probe}", get(probe))
}

async fn probe(
    State(source): State<Source>,
    Path(probe): Path<String>,
    Query(query): Query<Questions>,
) -> Response {
    let now = (source.clock)();
    if let Err(refused) = may_be_asked(&probe, &query) {
        return refused.into_response();
    }
    if probe == "mark" {
        return (StatusCode::OK, now.as_unix_ms().to_string()).into_response();
    }
    let known = knows_subject(&source, &query).await;
    if known == Some(false) {
        let subject =
            ["queue_id", "producer"].map(|key| query.get(key).map_or("any", String::as_str));
        let [queue, producer] = subject;
        return Refused::Unknown(format!("no worker {producer} of queue {queue} is known"))
            .into_response();
    }
    let (answer, as_of) = source
        .board
        .read(|notes| (answer(&probe, &query, notes, now), notes.as_of));
    match answer {
        Ok(mut answer) => {
            if known.is_none() {
                answer.state = Finding::Blind;
            }
            show(&probe, answer, as_of, now)
        }
        Err(refused) => refused.into_response(),
    }
}

/// A misspelt question must not be answered as if it were none.
fn may_be_asked(probe: &str, query: &Questions) -> Result<(), Refused> {
    let Some((_, keys)) = PROBES.iter().find(|(name, _)| *name == probe) else {
        return Err(Refused::Unknown(format!("there is no probe {probe}")));
    };
    match query.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) if keys.is_empty() => Err(Refused::Bad(format!(
            "{key}: {probe} is asked without anything"
        ))),
        Some(key) => Err(Refused::Bad(format!(
            "{key}: {probe} may be asked with {}",
            keys.join(", ")
        ))),
        None => Ok(()),
    }
}

/// Whether there is a worker such as asked about; none if nobody can tell.
async fn knows_subject(source: &Source, query: &Questions) -> Option<bool> {
    let (queue, producer) = (query.get("queue_id"), query.get("producer"));
    if queue.or(producer).is_none() {
        return Some(true);
    }
    let (answer, told) = oneshot::channel();
    let subject = Subject {
        queue: queue.cloned(),
        producer: producer.cloned(),
        answer,
    };
    source.shell.send(Message::Known(subject)).ok()?;
    timeout(PATIENCE, told).await.ok()?.ok()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Unknown(why) => (StatusCode::NOT_FOUND, why),
            Self::Bad(why) => (StatusCode::BAD_REQUEST, why),
        };
        (status, format!("{why}\n")).into_response()
    }
}

fn show(probe: &str, mut answer: Answer, as_of: Moment, now: Moment) -> Response {
    if now.since(as_of) > MAX_AGE {
        answer.state = Finding::Blind;
    }
    let status = if answer.state == Finding::Holds {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({"probe": probe, "state": answer.state, "observed": answer.observed, "threshold": answer.threshold,
        "as_of": as_of.to_string(), "evidence": answer.evidence});
    (status, Json(body)).into_response()
}

fn answer(probe: &str, query: &Questions, notes: &Notes, now: Moment) -> Result<Answer, Refused> {
    Ok(match probe {
        "steady" => if_seen(notes, steady(notes)),
        "healed" => if_seen(notes, healed(query, notes, now)?),
        // Faults of brokers are when this is asked: whoever is blind knows what it has done all the same.
        "no-false-heals" => if_armed(notes, no_false_heals(query, notes, now)?),
        "no-duplicates" => if_seen(notes, none_of(notes.census.rivals)),
        "no-lost-jobs" => if_seen(notes, none_of(notes.census.vacant)),
        "kafka" => kafka(notes),
        "lag" => lag(query, notes)?,
        "blind" => blind(notes),
        "storm" => if_armed(notes, none_of(usize::from(notes.standing.storm))),
        "rollout" => rollout(notes),
        other => return Err(Refused::Unknown(format!("there is no probe {other}"))),
    })
}

fn plain(holds: bool, observed: Value, threshold: Value) -> Answer {
    let state = if holds {
        Finding::Holds
    } else {
        Finding::Violated
    };
    Answer {
        state,
        observed,
        threshold,
        evidence: Vec::new(),
    }
}

/// Whoever does not act knows nothing of what was decided.
fn if_armed(notes: &Notes, answer: Answer) -> Answer {
    blind_unless(notes.standing.armed, answer)
}

/// Whoever can't see can't say that all is well.
fn if_seen(notes: &Notes, answer: Answer) -> Answer {
    blind_unless(notes.standing.armed && !notes.standing.blind, answer)
}

fn blind_unless(sees: bool, answer: Answer) -> Answer {
    let state = if sees { answer.state } else { Finding::Blind };
    Answer { state, ..answer }
}

fn steady(notes: &Notes) -> Answer {
    none_of(notes.incidents.open_count())
}

fn none_of(count: usize) -> Answer {
    plain(count == 0, json!(count), json!(0))
}

fn kafka(notes: &Notes) -> Answer {
    let dark = &notes.standing.dark_partitions;
    let answer = plain(dark.is_empty(), json!({"darkPartitions": dark}), json!([]));
    blind_unless(!notes.standing.blind, answer)
}

fn rollout(notes: &Notes) -> Answer {
    let leader = &notes.standing.leader;
    let observed = json!({"leader": leader, "version": env!("CARGO_PKG_VERSION")});
    plain(leader.is_some(), observed, json!("one leader"))
}

/// Diagnostic: a blind healer must decide nothing.
fn blind(notes: &Notes) -> Answer {
    let since = notes.standing.sight_age_ms;
    let judged = notes
        .incidents
        .newest_first()
        .filter(|incident| rests_on_silence(incident.cause) && incident.closed_at.is_none());
    let judged = judged.filter(|incident| {
        since.is_some_and(|age| {
            incident.opened_at > notes.as_of.minus(Duration::from_millis(age)).plus(MAX_AGE)
        })
    });
    let ids: Vec<_> = judged.map(|incident| incident.id).collect();
    let holds = notes.standing.blind && ids.is_empty();
    Answer {
        evidence: ids,
        ..plain(
            holds,
            json!({"blind": notes.standing.blind}),
            json!({"blind": true, "verdicts": 0}),
        )
    }
}

/// Every replacement that began in the window ended with a worker that was heard.
fn healed(query: &Questions, notes: &Notes, now: Moment) -> Result<Answer, Refused> {
    let within = span(query, "within", Span::seconds(90))?;
    let begins = mark(query)?.unwrap_or_else(|| now.minus(within.saturating_mul(10)));
    let concerned = |incident: &&Incident| {
        let fits = |key: &str, value: &str| query.get(key).is_none_or(|wanted| wanted == value);
        let is_left_alone = matches!(incident.decision, Verdict::Observe | Verdict::Veto);
        (incident.replaced_for.is_some() || !is_left_alone)
            && incident.opened_at >= begins
            && fits("queue_id", &incident.queue_id)
            && fits("producer", &incident.producer)
    };
    let all: Vec<_> = notes.incidents.newest_first().filter(concerned).collect();
    let open: Vec<_> = all
        .iter()
        .filter(|incident| incident.closed_at.is_none())
        .collect();
    let late: Vec<_> = all
        .iter()
        .filter(|incident| incident.closed_at.unwrap_or(now).since(incident.opened_at) > within)
        .collect();
    let state = match (late.is_empty(), open.is_empty(), all.is_empty()) {
        (false, ..) => Finding::Violated,
        // With a mark somebody waits for an incident.
        (_, true, true) if query.contains_key("mark") => Finding::Pending,
        (_, true, _) => Finding::Holds,
        (_, false, _) => Finding::Pending,
    };
    let observed = json!({"incidents": all.len(), "open": open.len(), "late": late.len()});
    let evidence = late
        .iter()
        .chain(&open)
        .map(|incident| incident.id)
        .collect();
    Ok(Answer {
        state,
        observed,
        threshold: json!(within.as_secs()),
        evidence,
    })
}

/// No replacement began on grounds of silence: under a fault of the network or of brokers, nobody is to blame.
fn no_false_heals(query: &Questions, notes: &Notes, now: Moment) -> Result<Answer, Refused> {
    let begins = now.minus(span(query, "window", Span::minutes(10))?);
    let begun = notes.incidents.newest_first().filter(|incident| {
        incident.opened_at >= begins && incident.replaced_for.is_some_and(rests_on_silence)
    });
    let evidence: Vec<_> = begun.map(|incident| incident.id).collect();
    Ok(Answer {
        evidence: evidence.clone(),
        ..plain(evidence.is_empty(), json!(evidence.len()), json!(0))
    })
}

fn rests_on_silence(cause: Cause) -> bool {
    cause != Cause::Error
}

fn lag(query: &Questions, notes: &Notes) -> Result<Answer, Refused> {
    let max: u64 = match query.get("max") {
        None => 1000,
        Some(text) => text
            .parse()
            .ok()
            .ok_or_else(|| Refused::Bad(format!("max={text} is no number of records")))?,
    };
    let lag: u64 = notes
        .positions
        .iter()
        .filter(|position| position.topic == Topic::Events)
        .filter_map(|position| position.lag())
        .sum();
    let answer = plain(lag <= max, json!(lag), json!(max));
    Ok(blind_unless(!notes.standing.blind, answer))
}

fn span(query: &Questions, key: &str, default: Span) -> Result<Duration, Refused> {
    let span = query.get(key).map_or(Ok(default), |text| Span::parse(text));
    span.map(Span::duration)
        .map_err(|why| Refused::Bad(format!("{key}: {why}")))
}

fn mark(query: &Questions) -> Result<Option<Moment>, Refused> {
    let Some(text) = query.get("mark") else {
        return Ok(None);
    };
    let ms = text
        .trim()
        .parse()
        .ok()
        .ok_or_else(|| Refused::Bad(format!("mark={text} is none that /probes/mark gave")))?;
    Ok(Some(Moment::from_unix_ms(ms)))
}
