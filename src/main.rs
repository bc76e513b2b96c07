//! The program `temper`: a plugin when the Argo Rollouts controller starts it, else a command line.

mod plugin;
mod provider;
mod command_line;
mod demo;
mod judge;
mod record;
mod yaml;

use std::io::{self, Write};
use std::process::ExitCode;

use temper_go_plugin::Cookie;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        // Nobody is left to tell when this fails too.
        writeln!(io::stderr(), "temper: {error:#}").ok();
        ExitCode::FAILURE
    })
}

fn run() -> anyhow::Result<ExitCode> {
    match plugin::HANDSHAKE.cookie() {
        Cookie::Host => plugin::serve(),
        Cookie::Absent => command_line::run(lexopt::Parser::from_env()),
        Cookie::Wrong => command_line::refuse_host(&plugin::HANDSHAKE),
    }
}
