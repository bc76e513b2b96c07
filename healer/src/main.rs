//! The program `temper-healer`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use temper_healer::command_line;

fn main() -> ExitCode {
    command_line::run(lexopt::Parser::from_env()).unwrap_or_else(|error| {
        // Nobody is left to tell when this fails too.
        writeln!(io::stderr(), "temper-healer: {error:#}").ok();
        ExitCode::FAILURE
    })
}
