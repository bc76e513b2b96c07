//! The table that people read.

use std::fmt::Write as _;

use crate::scenario::{Outcome, Promise, Scenario};

/// A promise counts as broken when the runs contradict it at this level.
pub const LEVEL: f64 = 0.01;

/// What stands above the table.
const ABOUT: &str = "\
# How often the judge is wrong

Simulated rollouts, look by look through the judge that the plugin and `temper judge` use. Made by `make calibration`, seeded: the same number of runs
gives the same table. *Rolled back* is the share of runs that failed, or for rows on safety that passed early, with its one-sided 99 % limits;
*median* the look at which half of those had ended. Unless a row says otherwise: 100 canary and 900 stable requests a look, of which 1 % fail; log-normal
latency with a median of 100 ms; a false-rollback rate of 5 %; errors judged with `maxRatio: 1`, latency without a tolerated slowdown.

What is promised to a version within its margins is conditional: requests of an interval are independent given its traffic and their pod; the margin
holds in every interval; intervals do not change once they are frozen. Where pods differ for good, it is conditional on three stable pods or more to measure
that by; where errors come in bursts, on stable pods having had some before the canary does. Rows without a promise show what happens otherwise.
*Kept* means that the limit on the bad side is within the promise, too; *broken* that the runs contradict it.

";

/// The table as Markdown, and whether no row is worse than its promise, by chance or not.
pub fn render(rows: &[(Scenario, Outcome)]) -> (String, bool) {
    let mut text = ABOUT.to_owned();
    text.push_str("| scenario | looks | runs | rolled back | 99 % limits | median | promised | |\n|---|---|---|---|---|---|---|---|\n");
    for (scenario, outcome) in rows {
        // Writing to a text does not fail.
        let _written = writeln!(text, "{}", line(scenario, outcome));
    }
    let within = rows
        .iter()
        .all(|(scenario, outcome)| outcome.is_within(scenario.promise));
    (text, within)
}

fn line(scenario: &Scenario, outcome: &Outcome) -> String {
    let Scenario { name, promise, .. } = scenario;
    let (low, high) = outcome.limits(*promise, 2.0 * LEVEL);
    let median = outcome
        .median(*promise)
        .map_or_else(|| "-".to_owned(), |look| look.to_string());
    let verdict = verdict(*promise, outcome);
    format!(
        "| {name} | {} | {} | {} | {} to {} | {median} | {} | {verdict} |",
        scenario.policy().looks(),
        outcome.runs,
        percent(outcome.rate(*promise)),
        percent(low),
        percent(high),
        promised(*promise)
    )
}

/// A promise is kept where even the limit on its bad side is within it.
fn verdict(promise: Promise, outcome: &Outcome) -> &'static str {
    match promise {
        Promise::Nothing => "",
        _ if outcome.contradicts(promise, LEVEL) => "**broken**",
        _ if !outcome.is_within(promise) => "**worse, as chance may do**",
        _ if outcome.confirms(promise, LEVEL) => "kept",
        _ => "within, too few runs to be sure",
    }
}

fn promised(promise: Promise) -> String {
    match promise {
        Promise::RollsBackAtMost(most) => format!("at most {}", percent(most)),
        Promise::PassesEarlyAtMost(most) => format!("passes early at most {}", percent(most)),
        Promise::RollsBackAtLeast(least, by) => {
            format!("at least {}, median by look {by}", percent(least))
        }
        Promise::PassesEarlyAtLeast(least, by) => format!(
            "passes early at least {}, median by look {by}",
            percent(least)
        ),
        Promise::Nothing => "nothing".to_owned(),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
