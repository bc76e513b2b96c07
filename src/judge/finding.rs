//! How a verdict on a recording is told.

use std::io::{self, Write};

use serde::Serialize;
use temper_judge::{Decision, GuardReport, State, Verdict};

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    Json,
}

/// A line for programs.
#[derive(Serialize)]
struct Finding<'a> {
    recording: &'a str,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

impl Output {
    /// Writes the verdict on a recording, in one or several whole lines.
    pub(super) fn write(
        self,
        out: &mut impl Write,
        recording: &str,
        verdict: &Verdict,
    ) -> io::Result<()> {
        match self {
            Self::Text => write_text(out, recording, verdict),
            Self::Json => {
                serde_json::to_writer(&mut *out, &Finding { recording, verdict })?;
                writeln!(out)
            }
        }
    }
}

fn write_text(out: &mut impl Write, recording: &str, verdict: &Verdict) -> io::Result<()> {
    let Verdict {
        state,
        look,
        looks,
        reason,
        guards,
        // The reason has it.
        kayenta: _,
    } = verdict;
    let (recording, reason) = (printable(recording), printable(reason));
    let state = word(*state);
    writeln!(
        out,
        "{recording}: {state} at look {look} of {looks}: {reason}"
    )?;
    guards
        .iter()
        .try_for_each(|report| writeln!(out, "  {}", printable(&guard(report))))
}

fn guard(
    GuardReport {
        guard,
        decision,
        sentence,
        ..
    }: &GuardReport,
) -> String {
    let decision = match decision {
        Decision::Harm => "harm",
        Decision::Safe => "safe",
        Decision::Undecided => "undecided",
        Decision::Refused => "refused",
    };
    // The sentence begins with the guard's name.
    let finding = sentence.strip_prefix(guard.as_str()).unwrap_or(sentence);
    format!("{guard} ({decision}){finding}")
}

fn word(state: State) -> &'static str {
    match state {
        State::Watching => "WATCHING",
        State::Pass => "PASS",
        State::Fail => "FAIL",
        State::Inconclusive => "INCONCLUSIVE",
    }
}

/// Recordings come from anywhere: what is in their texts must not steer a terminal.
fn printable(text: &str) -> String {
    let printable = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(printable).collect()
}
