//! What can be said after `temper demo`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use lexopt::{Arg, Parser, ValueExt as _};

use super::fleet::{Plan, Regression};

/// What `temper demo` was asked to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// Print the options.
    Help,
    /// Run one story, or a bad and a good version one after the other where none was chosen.
    Stories {
        chosen: Option<Regression>,
        options: Options,
    },
    /// Run the fleet alone, for somebody else to scrape.
    Fleet {
        regression: Regression,
        options: Options,
        port_file: Option<PathBuf>,
    },
}

/// Size of the fleet, its traffic and how it is judged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// Pods of the old version.
    pub(crate) stable_pods: usize,
    /// Pods of the new version.
    pub(crate) canary_pods: usize,
    /// Requests a second over the whole fleet.
    pub(crate) rate: f64,
    /// Time between two looks.
    pub(crate) step: Duration,
    /// Looks until the horizon.
    pub(crate) looks: u32,
    /// Decides all that is random.
    pub(crate) seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            stable_pods: 3,
            canary_pods: 2,
            rate: 600.0,
            step: Duration::from_secs(2),
            looks: 12,
            seed: 1,
        }
    }
}

impl Options {
    /// Share of the traffic that the new version gets, in [0, 1].
    const CANARY_WEIGHT: f64 = 0.1;

    /// The fleet that these options describe.
    pub(crate) fn plan(&self, regression: Regression) -> Plan {
        Plan {
            stable_pods: self.stable_pods,
            canary_pods: self.canary_pods,
            regression,
            rate: self.rate,
            canary_weight: Self::CANARY_WEIGHT,
            seed: self.seed,
        }
    }
}

/// Text of `temper demo --help`, less the list of regressions.
pub(crate) const USAGE: &str = "\
usage: temper demo [options]         judge a bad version, then a good one, live
       temper demo fleet [options]   run the two versions alone, for a Prometheus to scrape;
                                     ends when standard input closes or on SIGTERM

  --regression NAME    what is wrong with the new version (below); without it both stories are told
  --rate N             requests a second over the whole fleet (600)
  --pods-stable N      pods of the old version (3)
  --pods-canary N      pods of the new version (2), which get 10 % of the traffic
  --step SECONDS       time between two looks (2)
  --looks N            looks until the horizon (12)
  --seed N             decides all that is random in the fleet (1)
  --port-file FILE     with fleet: write the pods' addresses there as JSON
";

/// Reads the rest of the command line.
pub(crate) fn parse(parser: &mut Parser) -> anyhow::Result<Request> {
    let mut options = Options::default();
    let mut chosen = None;
    let mut port_file = None;
    let mut fleet = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Value(word) if word == "fleet" && !fleet => fleet = true,
            Arg::Long("regression") => chosen = Some(regression(&parser.value()?.string()?)?),
            Arg::Long("rate") => options.rate = positive("--rate", parser)?,
            Arg::Long("pods-stable") => options.stable_pods = pods("--pods-stable", parser)?,
            Arg::Long("pods-canary") => options.canary_pods = pods("--pods-canary", parser)?,
            Arg::Long("step") => {
                options.step = Duration::from_secs_f64(positive("--step", parser)?);
            }
            Arg::Long("looks") => options.looks = looks(parser)?,
            Arg::Long("seed") => options.seed = parser.value()?.parse().context("--seed")?,
            Arg::Long("port-file") if fleet => port_file = Some(parser.value()?.into()),
            other => bail!("{}; see temper demo --help", other.unexpected()),
        }
    }
    Ok(if fleet {
        Request::Fleet {
            regression: chosen.unwrap_or(Regression::None),
            options,
            port_file,
        }
    } else {
        Request::Stories { chosen, options }
    })
}

fn regression(word: &str) -> anyhow::Result<Regression> {
    Regression::named(word).with_context(|| {
        let known: Vec<_> = Regression::ALL.iter().map(|(_, name, _)| *name).collect();
        format!(
            "--regression {word}: not known, choose one of {}",
            known.join(", ")
        )
    })
}

/// Most that a machine can be asked for by mistake: beyond it a typo is likelier than a wish.
const MOST: f64 = 100_000.0;

fn positive(name: &str, parser: &mut Parser) -> anyhow::Result<f64> {
    let number: f64 = parser.value()?.parse().with_context(|| name.to_owned())?;
    if !(number > 0.0 && number <= MOST) {
        bail!("{name} {number}: give a number above 0 and up to {MOST}");
    }
    Ok(number)
}

fn pods(name: &str, parser: &mut Parser) -> anyhow::Result<usize> {
    let number = parser.value()?.parse().with_context(|| name.to_owned())?;
    if !(1..=100).contains(&number) {
        bail!("{name} {number}: give a number from 1 to 100");
    }
    Ok(number)
}

fn looks(parser: &mut Parser) -> anyhow::Result<u32> {
    let number = parser.value()?.parse().context("--looks")?;
    if !(1..=10_000).contains(&number) {
        bail!("--looks {number}: give a number from 1 to 10000");
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> anyhow::Result<Request> {
        parse(&mut Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn without_options_both_stories_are_told() {
        let expected = Request::Stories {
            chosen: None,
            options: Options::default(),
        };
        assert_eq!(parsed("").unwrap(), expected);
    }

    #[test]
    fn a_fleet_takes_a_port_file_and_the_same_options() {
        let options = Options {
            rate: 50.0,
            canary_pods: 4,
            ..Options::default()
        };
        let expected = Request::Fleet {
            regression: Regression::Tail,
            options,
            port_file: Some(PathBuf::from("ports.json")),
        };
        let line = "fleet --rate 50 --pods-canary 4 --regression tail --port-file ports.json";
        assert_eq!(parsed(line).unwrap(), expected);
    }

    #[test]
    fn a_mistake_is_told_with_its_value_and_what_to_do() {
        for (line, expected) in [
            (
                "--regression worse",
                "--regression worse: not known, choose one of none, errors,",
            ),
            ("--rate 0", "--rate 0: give a number above 0"),
            ("--rate nan", "--rate NaN: give a number above 0"),
            (
                "--pods-canary 0",
                "--pods-canary 0: give a number from 1 to 100",
            ),
            ("--looks 0", "--looks 0: give a number from 1 to 10000"),
            ("--port-file x", "see temper demo --help"),
            ("swarm", "see temper demo --help"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
