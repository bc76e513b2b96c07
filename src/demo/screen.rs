//! What the terminal shows: a row for each look, and a last sentence for a tired person.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use temper_judge::{GuardReport, State, Totals, Verdict};

use super::{arguments::Options, fleet::Regression};

/// A heading between stories.
pub(crate) fn title(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "\n{}", bold(text))
}

/// What runs, and what the columns are.
pub(crate) fn opening(regression: Regression, options: &Options) -> io::Result<()> {
    let Options {
        stable_pods,
        canary_pods,
        rate,
        step,
        looks,
        ..
    } = options;
    let mut out = io::stdout();
    writeln!(
        out,
        "{stable_pods} pods of the old queue-manager, {canary_pods} of the new one with 10 % of {rate} requests/s; \
         a look every {step:?}, {looks} at most."
    )?;
    writeln!(
        out,
        "In truth {}. The judge sees only /metrics:\n",
        regression.sentence()
    )?;
    writeln!(
        out,
        "{:>4}  {:>15}  {:>15}  {:<28} {:<28} verdict",
        "look", "new (errors)", "old (errors)", "error ratio, new/old", "latency, new/old"
    )?;
    out.flush()
}

/// A row: what was counted so far, the effects with their 95 % intervals and the evidence for harm, and how things stand.
pub(crate) fn look(verdict: &Verdict) -> io::Result<()> {
    let counts = |arm: fn(&GuardReport) -> Totals| {
        verdict
            .guards
            .first()
            .map(arm)
            .map(counted)
            .unwrap_or_default()
    };
    let mut out = io::stdout();
    write!(
        out,
        "{:>4}  {:>15}  {:>15}  ",
        verdict.look,
        counts(|guard| guard.canary),
        counts(|guard| guard.stable)
    )?;
    for guard in &verdict.guards {
        write!(out, "{:<28} ", effect(guard))?;
    }
    writeln!(out, "{}", state(verdict.state))?;
    out.flush()
}

/// The verdict, why, and what would happen now.
pub(crate) fn ending(verdict: &Verdict, after: Duration) -> io::Result<()> {
    let consequence = match verdict.state {
        State::Fail => {
            "Roll it back: the new version is worse. Argo Rollouts would have aborted by itself"
        }
        State::Pass => {
            "Let it go on: nothing shows that the new version is worse. Argo Rollouts would take the next step"
        }
        State::Inconclusive => {
            "Ask a person: these data do not allow a verdict. Argo Rollouts would pause"
        }
        State::Watching => "Nothing is decided",
    };
    let mut out = io::stdout();
    writeln!(out, "\n{}", verdict.reason)?;
    writeln!(out, "{}", bold(&format!("{consequence}, after {after:?}.")))?;
    out.flush()
}

fn counted(totals: Totals) -> String {
    let Totals { requests, errors } = totals;
    errors.map_or_else(
        || requests.to_string(),
        |errors| format!("{requests} ({errors})"),
    )
}

fn effect(guard: &GuardReport) -> String {
    let Some(effect) = guard.effect else {
        return "not known yet".to_owned();
    };
    let interval = guard.interval.map_or_else(String::new, |(low, high)| {
        format!(" ({} to {})", figure(low), figure(high))
    });
    let evidence = guard.anytime_p.map_or(1.0, |p| 1.0 / p);
    format!("{}{interval} 1:{}", figure(effect), figure(evidence))
}

/// Two decimals where they say something.
fn figure(number: f64) -> String {
    match number {
        n if n < 10.0 => format!("{n:.2}"),
        n if n < 1e4 => format!("{n:.0}"),
        n => format!("{n:.0e}"),
    }
}

fn state(state: State) -> String {
    match state {
        State::Watching => "watching".to_owned(),
        State::Pass => bold("pass"),
        State::Fail => bold("FAIL"),
        State::Inconclusive => bold("inconclusive"),
    }
}

fn bold(text: &str) -> String {
    if io::stdout().is_terminal() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (number, text) in [
            (0.5, "0.50"),
            (12.34, "12"),
            (12_345.0, "1e4"),
            (9999.0, "9999"),
        ] {
            assert_eq!(figure(number), text);
        }
    }
}
