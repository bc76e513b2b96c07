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

use super::Source;
use crate::{board::Notes, incidents::Incident};

/// A board that was not written for so long says nothing.
const MAX_AGE: Duration = Duration::from_secs(5);

type Questions = BTreeMap<String, String>;

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
    Unknown,
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
    if probe == "mark" {
        return (StatusCode::OK, now.as_unix_ms().to_string()).into_response();
    }
    let (answer, as_of) = source
        .board
        .read(|notes| (answer(&probe, &query, notes, now), notes.as_of));
    match answer {
        Ok(answer) => show(&probe, answer, as_of, now),
        Err(Refused::Unknown) => (
            StatusCode::NOT_FOUND,
            format!("there is no probe {probe}\n"),
        )
            .into_response(),
        Err(Refused::Bad(why)) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
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
    match probe {
        "steady" => Ok(steady(notes)),
        "healed" => healed(query, notes, now),
        "no-false-heals" => no_false_heals(query, notes, now),
        "no-duplicates" => Ok(none_of(notes, notes.census.rivals)),
        "no-lost-jobs" => Ok(none_of(notes, notes.census.vacant)),
        "kafka" => Ok(kafka(notes)),
        "lag" => lag(query, notes),
        "blind" => Ok(blind(notes)),
        "storm" => Ok(plain(
            !notes.standing.storm,
            json!(notes.standing.storm),
            json!(false),
        )),
        "rollout" => Ok(plain(
            notes.standing.leader.is_some(),
            json!(notes.standing.leader),
            json!("one leader"),
        )),
        _ => Err(Refused::Unknown),
    }
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

/// Whoever can't see can't say that all is well.
fn if_seen(notes: &Notes, answer: Answer) -> Answer {
    if notes.standing.blind {
        Answer {
            state: Finding::Blind,
            ..answer
        }
    } else {
        answer
    }
}

fn steady(notes: &Notes) -> Answer {
    let open = notes.incidents.open_count();
    if_seen(notes, plain(open == 0, json!(open), json!(0)))
}

fn none_of(notes: &Notes, count: usize) -> Answer {
    if_seen(notes, plain(count == 0, json!(count), json!(0)))
}

fn kafka(notes: &Notes) -> Answer {
    let dark = &notes.standing.dark_partitions;
    if_seen(
        notes,
        plain(dark.is_empty(), json!({"darkPartitions": dark}), json!([])),
    )
}

/// Diagnostic: a blind healer must decide nothing.
fn blind(notes: &Notes) -> Answer {
    let since = notes.standing.sight_age_ms;
    let judged = notes
        .incidents
        .newest_first()
        .filter(|incident| rests_on_silence(incident) && incident.closed_at.is_none());
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
        incident.decision != Verdict::Observe
            && incident.decision != Verdict::Veto
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
    Ok(if_seen(
        notes,
        Answer {
            state,
            observed,
            threshold: json!(within.as_secs()),
            evidence,
        },
    ))
}

/// No replacement began on grounds of silence: under a fault of the network or of brokers, nobody is to blame.
fn no_false_heals(query: &Questions, notes: &Notes, now: Moment) -> Result<Answer, Refused> {
    let begins = now.minus(span(query, "window", Span::minutes(10))?);
    let begun = notes.incidents.newest_first().filter(|incident| {
        incident.opened_at >= begins
            && incident.decision == Verdict::Heal
            && rests_on_silence(incident)
    });
    let evidence: Vec<_> = begun.map(|incident| incident.id).collect();
    Ok(Answer {
        evidence: evidence.clone(),
        ..plain(evidence.is_empty(), json!(evidence.len()), json!(0))
    })
}

fn rests_on_silence(incident: &Incident) -> bool {
    incident.cause != Cause::Error
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
    Ok(if_seen(notes, plain(lag <= max, json!(lag), json!(max))))
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
