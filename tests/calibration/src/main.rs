//! Makes the table: `temper-calibration RUNS FILE [NAME]`, of all scenarios or those with this in their name.

use std::{
    env, fs,
    io::{self, Write as _},
    process::ExitCode,
    time::Instant,
};

use temper_calibration::{
    list,
    scenario::{Outcome, Scenario},
    table,
};
use temper_stats::numeric::{count, floor_count};

/// Fewest runs of any scenario.
const FEWEST: u64 = 300;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [runs, file, only @ ..] = arguments.as_slice() else {
        return usage("expected a number of runs and the name of a file");
    };
    let Ok(runs) = runs.parse() else {
        return usage("expected a number of runs");
    };
    let mut rows = Vec::new();
    let wanted = |scenario: &Scenario| {
        only.iter()
            .all(|part| scenario.name.contains(part.as_str()))
    };
    for scenario in list::all().into_iter().filter(wanted) {
        let outcome = run(&scenario, runs)?;
        rows.push((scenario, outcome));
    }
    let (text, kept) = table::render(&rows);
    fs::write(file, text)?;
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run(scenario: &Scenario, runs: u64) -> io::Result<Outcome> {
    let runs = floor_count(count(runs) * scenario.effort).max(FEWEST);
    let begun = Instant::now();
    let outcome = scenario.run(runs);
    let rate = 100.0 * outcome.rate(scenario.promise);
    let broken = if outcome.contradicts(scenario.promise, table::LEVEL) {
        "  BROKEN"
    } else {
        ""
    };
    writeln!(
        io::stderr(),
        "{rate:6.2} % of {runs:6} in {:5.1} s  {}{broken}",
        begun.elapsed().as_secs_f64(),
        scenario.name
    )?;
    Ok(outcome)
}

fn usage(problem: &str) -> io::Result<ExitCode> {
    writeln!(
        io::stderr(),
        "temper-calibration: {problem}; usage: temper-calibration RUNS FILE [NAME]"
    )?;
    Ok(ExitCode::from(64))
}
