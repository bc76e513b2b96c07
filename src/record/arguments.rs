//! What can be said after `temper record`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use lexopt::{Arg, Parser, ValueExt as _};
use temper_judge::go_duration;

/// What `temper record` was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) config: PathBuf,
    pub(super) output: PathBuf,
    /// When the first interval begins; now if it is not said.
    pub(super) from: Option<Timestamp>,
    /// How long to record; until the horizon if it is not said.
    pub(super) duration: Option<Duration>,
}

/// Text of `temper record --help`.
pub(super) const USAGE: &str = "\
Records what the plugin would judge, for `temper judge` to judge it at any time.

usage: temper record --config FILE --output FILE [--from TIME] [--for DURATION]

  --config FILE     the plugin's configuration, in YAML or JSON: what an AnalysisTemplate has under
                    provider.plugin.temper/judge
  --output FILE     the recording, which is there once it is whole; .gz and .zst are compressed
  --from TIME       when the first interval begins, such as 2026-01-01T00:00:00Z; without it, now
  --for DURATION    how long to record, such as 1h, a multiple of the step; without it, until the horizon

What is past is read at once; what is to come, as it happens. SIGINT and SIGTERM end a recording early and keep it.

exit status: 0 recorded, 1 the source or the output failed (what was read before is kept), 64 the command line or
the configuration is not understood
";

const HINT: &str = "see temper record --help";

/// Reads the rest of the command line; None where help is asked for.
pub(super) fn parse(parser: &mut Parser) -> anyhow::Result<Option<Request>> {
    let (mut config, mut output, mut from, mut duration) = (None, None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("config") => config = Some(PathBuf::from(parser.value()?)),
            Arg::Long("output") => output = Some(PathBuf::from(parser.value()?)),
            Arg::Long("from") => from = Some(time(&parser.value()?.string()?)?),
            Arg::Long("for") => duration = Some(length(&parser.value()?.string()?)?),
            other => bail!("{}; {HINT}", other.unexpected()),
        }
    }
    Ok(Some(Request {
        config: config.with_context(|| format!("--config FILE is missing; {HINT}"))?,
        output: output.with_context(|| format!("--output FILE is missing; {HINT}"))?,
        from,
        duration,
    }))
}

fn time(text: &str) -> anyhow::Result<Timestamp> {
    text.parse()
        .with_context(|| format!("--from {text}: give a time such as 2026-01-01T00:00:00Z"))
}

fn length(text: &str) -> anyhow::Result<Duration> {
    go_duration(text).with_context(|| format!("--for {text}: give a duration such as 30m or 1h30m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> anyhow::Result<Option<Request>> {
        parse(&mut Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn past_and_live_trials_are_asked_for() {
        let live = parsed("--config c --output o").unwrap().unwrap();
        assert_eq!((live.from, live.duration), (None, None));
        let asked = "--config c --output o --from 2026-01-01T01:00:00+01:00 --for 1h";
        let past = Request {
            from: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            duration: Some(Duration::from_hours(1)),
            ..live
        };
        assert_eq!(parsed(asked).unwrap(), Some(past));
        assert_eq!(parsed("--config c --help").unwrap(), None);
    }

    #[test]
    fn a_mistake_is_told_with_its_value_and_what_to_do() {
        for (line, expected) in [
            (
                "--output o",
                "--config FILE is missing; see temper record --help",
            ),
            ("--config c", "--output FILE is missing; see"),
            ("--from yesterday", "--from yesterday: give a time such as"),
            ("--for 3d", "--for 3d: give a duration such as"),
            ("now", "see temper record --help"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
