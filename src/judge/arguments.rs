//! What can be said after `temper judge`.

use std::borrow::Cow;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use lexopt::{Arg, Parser, ValueExt as _};

use super::finding::Output;

/// What `temper judge` was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) policy: PathBuf,
    /// At least one.
    pub(super) recordings: Vec<Input>,
    pub(super) output: Output,
}

/// Where a recording is read from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    StandardInput,
    File(PathBuf),
}

impl Input {
    /// As it was given.
    pub(super) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::StandardInput => "-".into(),
            Self::File(path) => path.to_string_lossy(),
        }
    }
}

/// Text of `temper judge --help`.
pub(super) const USAGE: &str = "\
Says what a policy makes of recordings: one verdict each, in the order in which they are given.

usage: temper judge --policy FILE --recording FILE... [--output text|json]

  --policy FILE         what to judge and how strictly, in YAML or JSON: the keys of an AnalysisTemplate under
                        provider.plugin.temper/judge. Those that say where to read are passed over, and no metric
                        need be named; the guards are those whose keys (errors, latency) are there
  --recording FILE...   recordings, as `temper record` or the key `record` of the plugin write them; plain, or
                        compressed with gzip or zstd; - is standard input
  --output text|json    for people (the default), or a line of JSON for each recording

A recording that ends before a decision and before the horizon is inconclusive. What follows the decision changes
nothing, but must be readable.

exit status: 0   all pass
             1   at least one fails
             2   none fails, at least one is inconclusive
             64  the command line or the policy is not understood
             65  a recording is not understood; the others are judged nevertheless
             74  the findings can't be written
";

/// Reads the rest of the command line; None where help is asked for.
pub(super) fn parse(parser: &mut Parser) -> anyhow::Result<Option<Request>> {
    let mut policy = None;
    let mut recordings = Vec::new();
    let mut output = Output::Text;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("policy") => {
                let first = policy.replace(PathBuf::from(parser.value()?));
                ensure!(first.is_none(), "--policy: give it once; {HINT}");
            }
            Arg::Long("recording") => recordings.extend(parser.values()?.map(input)),
            Arg::Long("output") => output = named(&parser.value()?.string()?)?,
            other => bail!("{}; {HINT}", other.unexpected()),
        }
    }
    ensure!(
        !recordings.is_empty(),
        "--recording FILE is missing; {HINT}"
    );
    let from_standard_input = recordings
        .iter()
        .filter(|input| **input == Input::StandardInput);
    ensure!(
        from_standard_input.count() <= 1,
        "--recording -: standard input can be read once"
    );
    Ok(Some(Request {
        policy: policy.with_context(|| format!("--policy FILE is missing; {HINT}"))?,
        recordings,
        output,
    }))
}

const HINT: &str = "see temper judge --help";

fn input(value: std::ffi::OsString) -> Input {
    if value == "-" {
        Input::StandardInput
    } else {
        Input::File(value.into())
    }
}

fn named(word: &str) -> anyhow::Result<Output> {
    match word {
        "text" => Ok(Output::Text),
        "json" => Ok(Output::Json),
        other => bail!("--output {other}: not known, choose text or json"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> anyhow::Result<Option<Request>> {
        parse(&mut Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn recordings_are_taken_in_the_order_given() {
        let request =
            parsed("--recording a b --policy p --output json --recording - --recording=c");
        let file = |name: &str| Input::File(name.into());
        let expected = Request {
            policy: "p".into(),
            recordings: vec![file("a"), file("b"), Input::StandardInput, file("c")],
            output: Output::Json,
        };
        assert_eq!(request.unwrap(), Some(expected));
    }

    #[test]
    fn help_is_given_whatever_else_is_said() {
        assert_eq!(parsed("--policy p --help").unwrap(), None);
    }

    #[test]
    fn a_mistake_is_told_with_what_to_do() {
        for (line, expected) in [
            ("", "--recording FILE is missing; see temper judge --help"),
            ("--recording a", "--policy FILE is missing; see"),
            (
                "--policy p --policy q --recording a",
                "--policy: give it once",
            ),
            (
                "--policy p --recording",
                "missing argument for option '--recording'",
            ),
            (
                "--policy p --recording - -",
                "standard input can be read once",
            ),
            (
                "--policy p --recording a --output yaml",
                "--output yaml: not known, choose text or json",
            ),
            ("a.ndjson", "see temper judge --help"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
