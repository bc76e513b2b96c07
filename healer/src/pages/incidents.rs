//! What happened, for people: a table in a browser, JSON for everybody else.

use std::fmt::Write as _;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::Source;
use crate::{board::Notes, chronicle, incidents::Incident};

pub(super) fn routes() -> Router<Source> {
    Router::new()
        .route("/", get(page))
        .route("/incidents", get(either))
        .route("/incidents.json", get(machine))
}

async fn either(State(source): State<Source>, headers: HeaderMap) -> Response {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        page(State(source)).await.into_response()
    } else {
        machine(State(source)).await.into_response()
    }
}

async fn machine(State(source): State<Source>) -> axum::Json<Value> {
    axum::Json(source.board.read(|notes| {
        let incidents: Vec<_> = notes.incidents.newest_first().collect();
        json!({"asOf": notes.as_of.to_string(), "healer": notes.standing, "policy": notes.rules, "incidents": incidents})
    }))
}

async fn page(State(source): State<Source>) -> Html<String> {
    Html(source.board.read(html))
}

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:75em}table{border-collapse:collapse;width:100%}\
td,th{border-top:1px solid #ccc;padding:.4em .8em .4em 0;text-align:left;vertical-align:top}\
small{color:#666}ol{margin:.3em 0;padding-left:1.3em}.open{font-weight:bold}";

fn html(notes: &Notes) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Healer: incidents</title><style>{STYLE}</style>\
        <h1>Incidents</h1><p>{}</p><table><tr><th>Worker<th>What<th>Why, and what was done<th>End",
        escaped(&standing(notes))
    );
    for incident in notes.incidents.newest_first() {
        row(&mut page, incident);
    }
    page.push_str("</table></html>\n");
    page
}

fn row(page: &mut String, incident: &Incident) {
    let job = incident.job.as_deref().unwrap_or("no Job");
    let steps = incident
        .steps
        .iter()
        .map(|step| format!("<li>{} <small>{}</small>", escaped(&step.what), step.at));
    let end = match (incident.outcome, incident.closed_at) {
        (Some(outcome), Some(at)) => format!("{}<br><small>{at}</small>", escaped(outcome)),
        _ => "<span class=\"open\">open</span>".to_owned(),
    };
    // Writing to a String does not fail.
    write!(
        page,
        "<tr><td>{}<br><small>{}<br>{}</small><td>{} ({})<br><small>{}</small><td><ol>{}</ol><small>{}</small><td>{end}",
        escaped(&incident.producer),
        escaped(&incident.queue_id),
        escaped(job),
        incident.decision.word(),
        incident.cause.word(),
        incident.opened_at,
        steps.collect::<String>(),
        escaped(&evidence(incident)),
    )
    .ok();
}

/// What the last decision rests on: the worker's last word, and for how long it is proven that it could have been heard.
fn evidence(incident: &Incident) -> String {
    let heard = chronicle::spoken(&incident.evidence);
    let (from, through) = (incident.evidence.seen_from, incident.evidence.seen_through);
    match from.zip(through) {
        Some((from, through)) => {
            format!("Evidence: {heard}; everything said from {from} to {through} was heard.")
        }
        None => format!("Evidence: {heard}; it is not proven that everything was heard."),
    }
}

fn standing(notes: &Notes) -> String {
    let standing = &notes.standing;
    let acts = match (standing.armed, standing.dry_run) {
        (true, false) => "acts",
        (true, true) => "says what it would do",
        (false, _) if standing.leads => "is getting ready",
        (false, _) => "stands by",
    };
    let sees = match (standing.blind, standing.storm) {
        (true, _) => {
            "It is blind: nothing proves that workers can be heard, so no silence is judged."
        }
        (_, true) => "There is a storm: so many workers are in trouble that nothing is replaced.",
        _ => "It hears everything.",
    };
    format!(
        "{} {acts}. {sees} {} workers are known, as of {}. The policy: {}.",
        standing.identity, notes.census.workers, notes.as_of, notes.rules
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workers_say_is_no_markup() {
        assert_eq!(
            escaped("<b>&\"x\"</b>"),
            "&lt;b&gt;&amp;&quot;x&quot;&lt;/b&gt;"
        );
    }
}
