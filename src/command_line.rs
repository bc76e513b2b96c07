//! What the program does for people who start it by hand.

use std::io::{self, Write};
use std::process::ExitCode;

use lexopt::{Arg, Parser};
use temper_go_plugin::Handshake;

use crate::{demo, judge, record};

/// Exit status of a command line that is not understood, as in `sysexits.h`.
pub(crate) const USAGE: u8 = 64;

const HELP: &str = "\
Temper judges canaries for Argo Rollouts: is the new version worse than the old one?

This program is a metric-provider plugin: the Argo Rollouts controller starts it, when the ConfigMap
argo-rollouts-config lists it under metricProviderPlugins and an AnalysisTemplate asks for it.
To see how it judges, start the demonstration.

Usage: temper [COMMAND]

Commands:
  demo       Judge a bad and a good version of a small service, live, everything embedded
  judge      Say what a policy makes of recordings of past trials
  record     Record a trial, past or live, from Prometheus
  help       Say this

Options:
  -h, --help       Say this
  -V, --version    Say the version
";

/// Obeys the arguments.
pub(crate) fn run(mut arguments: Parser) -> anyhow::Result<ExitCode> {
    match arguments.next() {
        Ok(None | Some(Arg::Short('h') | Arg::Long("help"))) => say(HELP),
        Ok(Some(Arg::Short('V') | Arg::Long("version"))) => {
            say(concat!("temper ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        Ok(Some(Arg::Value(command))) if command == "help" => say(HELP),
        Ok(Some(Arg::Value(command))) if command == "demo" => demo::run(&mut arguments),
        Ok(Some(Arg::Value(command))) if command == "judge" => judge::run(&mut arguments),
        Ok(Some(Arg::Value(command))) if command == "record" => record::run(&mut arguments),
        Ok(Some(Arg::Value(command))) => {
            refuse(&format!("there is no command `{}`", command.display()))
        }
        Ok(Some(unknown)) => refuse(&unknown.unexpected().to_string()),
        Err(error) => refuse(&error.to_string()),
    }
}

/// Refuses a host of another kind of plugins, which would not understand a word.
pub(crate) fn refuse_host(
    Handshake {
        cookie_key,
        cookie_value,
        ..
    }: &Handshake,
) -> anyhow::Result<ExitCode> {
    let problem = "starting as a plugin: this one is a metric provider, for hosts that set";
    writeln!(
        io::stderr(),
        "temper: {problem} {cookie_key}={cookie_value}; the variable has another value"
    )?;
    Ok(ExitCode::FAILURE)
}

fn say(text: &str) -> anyhow::Result<ExitCode> {
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn refuse(problem: &str) -> anyhow::Result<ExitCode> {
    writeln!(
        io::stderr(),
        "temper: {problem}; `temper --help` lists what there is"
    )?;
    Ok(ExitCode::from(USAGE))
}
