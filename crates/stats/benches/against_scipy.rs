//! Speed and peak memory of the Mann-Whitney test as ratios to scipy's, on the same data in the same run.
//!
//! `TEMPER_BENCH_PYTHON` names a Python that has scipy (`scripts/bench-scipy` installs one); without it only our own
//! figures are printed. Each measurement is a process of its own, whose peak memory includes the data.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and the clock, and prints"
)]

use std::{
    env, fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use temper_stats::{
    numeric::{count, floor_count},
    rank::{Alternative, Continuity, MannWhitney},
    samples::Samples,
};

type Failure = Box<dyn std::error::Error>;

/// What a measuring process prints.
struct Measured {
    seconds: f64,
    p: f64,
    peak_kib: f64,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["measure", first, second, ref form @ ..] => measure(first, second, !form.is_empty()),
        _ => compare(),
    }
}

fn compare() -> Result<(), Failure> {
    println!(
        "Mann-Whitney, one-sided, asymptotic         ours       scipy   ratio      peak memory"
    );
    let mut rng = fastrand::Rng::with_seed(7);
    for values in [1_000, 100_000, 10_000_000] {
        let mut sample = |slower: f64| (0..values / 2).map(|_| slower - rng.f64().ln()).collect();
        let arms: [Vec<f64>; 2] = [sample(1e-4), sample(0.0)];
        report(&format!("{values} values"), &arms, false)?;
    }
    for buckets in [12, 112] {
        let arms = [100_000, 900_000].map(|requests| bell(buckets, requests));
        report(&format!("{buckets} buckets of 1000000 values"), &arms, true)?;
    }
    Ok(())
}

/// Counts of a bell over all buckets, about `requests` of them.
fn bell(buckets: u64, requests: u64) -> Vec<f64> {
    let weight = |bucket: u64| (bucket + 1) * (buckets - bucket);
    let all: u64 = (0..buckets).map(weight).sum();
    let counts = (0..buckets).map(|bucket| weight(bucket) * requests / all);
    counts.map(count).collect()
}

fn report(what: &str, arms: &[Vec<f64>; 2], counts: bool) -> Result<(), Failure> {
    let files = [write("first", &arms[0])?, write("second", &arms[1])?];
    let form = if counts { &["counts"][..] } else { &[] };
    let ours = run(Command::new(env::current_exe()?)
        .arg("measure")
        .args(&files)
        .args(form))?;
    let Some(python) = env::var_os("TEMPER_BENCH_PYTHON") else {
        println!("{what:<36} {:>11}", human(ours.seconds));
        return Ok(());
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/against_scipy.py");
    let scipy = run(Command::new(python).arg(script).args(&files).args(form))?;
    let agrees = (ours.p / scipy.p - 1.0).abs() < 1e-6;
    println!(
        "{what:<36} {:>11} {:>11} {:>6.0}x {:>5.0} MiB, scipy {:.0} MiB{}",
        human(ours.seconds),
        human(scipy.seconds),
        scipy.seconds / ours.seconds,
        ours.peak_kib / 1024.0,
        scipy.peak_kib / 1024.0,
        if agrees { "" } else { "  p differs!" }
    );
    Ok(())
}

fn human(seconds: f64) -> String {
    format!("{:.3?}", Duration::from_secs_f64(seconds))
}

fn write(name: &str, values: &[f64]) -> Result<PathBuf, Failure> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    fs::write(&path, bytes)?;
    Ok(path)
}

fn read(path: &str) -> Result<Vec<f64>, Failure> {
    let bytes = fs::read(path)?;
    let (values, _) = bytes.as_chunks();
    Ok(values
        .iter()
        .map(|bytes| f64::from_le_bytes(*bytes))
        .collect())
}

fn run(command: &mut Command) -> Result<Measured, Failure> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<Vec<f64>, _>>()?;
    match numbers[..] {
        [seconds, p, peak_kib] => Ok(Measured {
            seconds,
            p,
            peak_kib,
        }),
        _ => Err(format!("measure: three numbers expected, got {text:?}").into()),
    }
}

/// The measuring process: the fastest of as many runs as fit into a second.
fn measure(first: &str, second: &str, counts: bool) -> Result<(), Failure> {
    let (first, second) = (read(first)?, read(second)?);
    let (best, p) = if counts {
        let [first, second] =
            [first, second].map(|counts| counts.into_iter().map(floor_count).collect::<Vec<_>>());
        fastest(|| Ok(MannWhitney::from_counts(&first, &second).ok_or("too many values")?))
    } else {
        fastest(|| Ok(MannWhitney::from_samples(&Samples::new(&first, &second)?)))
    }?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak
        .and_then(|peak| peak.split_whitespace().next())
        .ok_or("no VmHWM")?;
    println!("{best} {p:e} {peak}");
    Ok(())
}

fn fastest(test: impl Fn() -> Result<MannWhitney, Failure>) -> Result<(f64, f64), Failure> {
    let began = Instant::now();
    let (mut best, mut p) = (f64::INFINITY, f64::NAN);
    while best.is_infinite() || began.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        p = black_box(test()?)
            .tail(Alternative::Greater, Continuity::Corrected)
            .p;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok((best, p))
}
