//! `temper judge`: what a policy makes of recordings.

mod arguments;
mod policy;
mod queue;
mod finding;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use temper_judge::{Judge, State, Verdict};
use temper_sources::Recording;

use self::arguments::{Input, Request};
use self::policy::PolicyFile;

/// Exit status when a version is worse.
const FAIL: u8 = 1;
/// Exit status when none is worse, but one can't be told.
const INCONCLUSIVE: u8 = 2;
/// Exit status of data that are not understood, as in `sysexits.h`.
const BAD_RECORDING: u8 = 65;
/// Exit status when the findings can't be written, as in `sysexits.h`.
const NOT_WRITTEN: u8 = 74;

/// Does what the rest of the command line asks for.
pub(crate) fn run(parser: &mut lexopt::Parser) -> anyhow::Result<ExitCode> {
    match prepare(parser) {
        Ok(None) => {
            io::stdout().write_all(arguments::USAGE.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Some((policy, request))) => judge_all(&policy, &request),
        Err(error) => {
            writeln!(io::stderr(), "temper: {error:#}")?;
            Ok(ExitCode::from(crate::command_line::USAGE))
        }
    }
}

/// What is to be judged, and how; None where help is asked for.
fn prepare(parser: &mut lexopt::Parser) -> anyhow::Result<Option<(PolicyFile, Request)>> {
    let Some(request) = arguments::parse(parser)? else {
        return Ok(None);
    };
    let policy = policy::read(&request.policy)?;
    Ok(Some((policy, request)))
}

fn judge_all(policy: &PolicyFile, request: &Request) -> anyhow::Result<ExitCode> {
    let mut printer = Printer::default();
    let mut worst = 0;
    let judge = |input: &Input| judged(policy, input);
    queue::in_order(&request.recordings, judge, |input, verdict| match verdict {
        Ok(verdict) => {
            worst = graver(worst, status(verdict.state));
            printer.print(|out| request.output.write(out, &input.name(), &verdict));
        }
        Err(error) => {
            worst = BAD_RECORDING;
            // Nobody is left to tell when this fails too; the exit status tells it in any case.
            writeln!(io::stderr(), "temper: {error:#}").ok();
        }
    });
    match printer.failed {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            writeln!(io::stderr(), "temper: writing the findings: {error}")?;
            Ok(ExitCode::from(NOT_WRITTEN))
        }
        // Who has read enough still wants to know how it ended.
        Some(_) | None => Ok(ExitCode::from(worst)),
    }
}

/// The verdict on a recording, all of which is read: a mistake after the deciding look is one too.
fn judged(policy: &PolicyFile, input: &Input) -> anyhow::Result<Verdict> {
    let recording = match input {
        Input::StandardInput => Recording::read(&input.name(), io::stdin())?,
        Input::File(path) => Recording::open(path)?,
    };
    let policy = policy
        .for_step(recording.header().step)
        .with_context(|| format!("reading the recording {}, line 1", input.name()))?;
    let mut judge = Judge::new(policy);
    for window in recording {
        judge.observe(&window?);
    }
    Ok(at_the_end(judge.verdict()))
}

/// Nobody goes on watching a recording that has ended.
fn at_the_end(verdict: Verdict) -> Verdict {
    if verdict.state != State::Watching {
        return verdict;
    }
    let Verdict {
        look,
        looks,
        reason,
        ..
    } = &verdict;
    let place = format!("look {look} of {looks}: ");
    let reason = reason.strip_prefix(&place).unwrap_or(reason);
    let ended =
        format!("the recording ended at look {look} of {looks} before a decision: {reason}");
    Verdict {
        state: State::Inconclusive,
        reason: ended,
        ..verdict
    }
}

fn status(state: State) -> u8 {
    match state {
        State::Pass => 0,
        State::Fail => FAIL,
        State::Inconclusive | State::Watching => INCONCLUSIVE,
    }
}

/// A bad recording is graver than a fail, which is graver than an inconclusive one, whatever their numbers.
fn graver(one: u8, other: u8) -> u8 {
    let gravity = |status| {
        [INCONCLUSIVE, FAIL, BAD_RECORDING]
            .iter()
            .position(|known| *known == status)
    };
    std::cmp::max_by_key(one, other, |status| gravity(*status))
}

/// Standard output, until it fails.
#[derive(Default)]
struct Printer {
    failed: Option<io::Error>,
}

impl Printer {
    fn print(&mut self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        if self.failed.is_some() {
            return;
        }
        let mut text = Vec::new();
        let written = write(&mut text).and_then(|()| write_whole(&text));
        self.failed = written.err();
    }
}

fn write_whole(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}
