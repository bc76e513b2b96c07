//! `temper record`: reads the intervals of a trial as the plugin does, past or live, and keeps them.

mod arguments;

use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use temper_judge::window::Window;
use temper_rollouts::Metric;
use temper_sources::recording::{Header, MOST_LOOKS, NewFile, Writer, first_bounds};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use self::arguments::Request;
use crate::provider::chain;
use crate::provider::settings::Settings;
use crate::provider::source::Source;
use crate::provider::timeline::Timeline;
use crate::yaml;

/// So many intervals are read at once.
const BATCH: usize = 20;
/// After so long a source that is down is asked again.
const RETRY: Duration = Duration::from_secs(10);

/// Does what the rest of the command line asks for.
pub(crate) fn run(parser: &mut lexopt::Parser) -> anyhow::Result<ExitCode> {
    let trial = match Trial::prepare(parser) {
        Ok(Some(trial)) => trial,
        Ok(None) => {
            io::stdout().write_all(arguments::USAGE.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => {
            writeln!(io::stderr(), "temper: {error:#}")?;
            return Ok(ExitCode::from(crate::command_line::USAGE));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(trial.record())?;
    Ok(ExitCode::SUCCESS)
}

/// What is to be recorded.
struct Trial {
    request: Request,
    source: Source,
    timeline: Timeline,
    patience: Duration,
}

impl Trial {
    /// What the command line and the configuration say; None where help is asked for.
    fn prepare(parser: &mut lexopt::Parser) -> anyhow::Result<Option<Self>> {
        let Some(request) = arguments::parse(parser)? else {
            return Ok(None);
        };
        let name = request.config.display().to_string();
        let settings = Settings::read(&name, yaml::read(&request.config)?, &Metric::default())
            .with_context(|| format!("reading {name}"))?;
        let step = settings.policy.step;
        let timeline = Timeline {
            anchor: request.from.unwrap_or_else(Timestamp::now),
            step,
            looks: match request.duration {
                Some(duration) => looks(duration, step)?,
                None => settings.policy.looks(),
            },
            settle: settings.settle,
        };
        Ok(Some(Self {
            source: Source::open(&settings.origin)?,
            request,
            timeline,
            patience: settings.patience,
        }))
    }

    /// Records until the horizon, or until somebody asks to end. What was read until then, or until an error, is kept: a
    /// recording may end early.
    async fn record(&self) -> anyhow::Result<()> {
        let mut asked_to_end = pin!(asked_to_end()?);
        let file = NewFile::create(&self.request.output).with_context(|| self.writing())?;
        let windows = tokio::select! {
            windows = self.windows(1) => windows?,
            () = &mut asked_to_end => bail!("ended before there was anything to record"),
        };
        let mut copy = Copy {
            writer: Writer::new(file, &self.header(&windows)).with_context(|| self.writing())?,
            looks: 0,
        };
        let ended = tokio::select! {
            ended = self.go_on(&mut copy, windows) => ended,
            () = asked_to_end => Ok(()),
        };
        let file = copy.writer.into_inner();
        file.finish().with_context(|| self.writing())?;
        writeln!(io::stdout(), "recorded {} looks", copy.looks)?;
        ended
    }

    async fn go_on(&self, copy: &mut Copy, first: Vec<Window>) -> anyhow::Result<()> {
        copy.add(&first).with_context(|| self.writing())?;
        let (looks, path) = (self.timeline.looks, self.request.output.display());
        writeln!(io::stdout(), "recording {looks} looks in {path}")?;
        while copy.looks < self.timeline.looks {
            let windows = self.windows(copy.looks + 1).await?;
            copy.add(&windows).with_context(|| self.writing())?;
        }
        Ok(())
    }

    /// Some windows from this look on, as soon as the first of them is frozen.
    async fn windows(&self, first: u32) -> anyhow::Result<Vec<Window>> {
        let timeline = &self.timeline;
        sleep(until(timeline.due(first))).await;
        let asked = Instant::now();
        loop {
            let frozen = timeline.frozen(Timestamp::now()).max(first);
            let boundaries: Vec<_> = timeline.boundaries(first, frozen).take(BATCH + 1).collect();
            match self.source.windows(first, &boundaries).await {
                Err(error) if error.is_transient() && asked.elapsed() < self.patience => {
                    writeln!(
                        io::stderr(),
                        "temper: reading look {first}, again in {RETRY:?}: {}",
                        chain(&error)
                    )?;
                    sleep(RETRY).await;
                }
                windows => return windows.with_context(|| format!("reading look {first}")),
            }
        }
    }

    fn header(&self, windows: &[Window]) -> Header {
        Header {
            start: self.timeline.anchor,
            step: self.timeline.step,
            bounds: first_bounds(windows),
        }
    }

    fn writing(&self) -> String {
        format!("writing the recording {}", self.request.output.display())
    }
}

/// A recording on its way into a file.
struct Copy {
    writer: Writer<NewFile>,
    looks: u32,
}

impl Copy {
    fn add(&mut self, windows: &[Window]) -> io::Result<()> {
        for window in windows {
            self.writer.write(window)?;
            self.looks = window.look;
        }
        Ok(())
    }
}

fn looks(duration: Duration, step: Duration) -> anyhow::Result<u32> {
    let looks = duration.as_nanos() / step.as_nanos();
    let looks = u32::try_from(looks)
        .ok()
        .filter(|looks| (1..=MOST_LOOKS).contains(looks));
    let is_whole = duration.as_nanos().is_multiple_of(step.as_nanos());
    looks.filter(|_| is_whole).with_context(|| {
        format!(
            "--for {duration:?}: give a multiple of the step, {step:?}, up to {MOST_LOOKS} of them"
        )
    })
}

/// How long it is until then; none if that is past.
fn until(moment: Timestamp) -> Duration {
    let left = moment.duration_since(Timestamp::now());
    Duration::try_from(left).unwrap_or_default()
}

/// Ends when the process is asked to.
fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}
