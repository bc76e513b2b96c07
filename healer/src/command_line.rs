//! What people type.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use temper_healer_core::{Policy, policy::Span};

use crate::{
    check::Grade,
    replay::{self, Summary, Topics},
    rules,
    run::{self, Settings},
};

/// What `temper-healer help` prints.
const HELP: &str = "\
temper-healer: replaces stuck and failed worker Jobs, and none that is only unheard

  temper-healer run [--namespace NS] [--policy FILE | --healing-policy NAME] [--listen ADDRESS] [--lease NAME] [--queue ID] [--dry-run]
                    [--once [--for 10m]]
      heals. Kafka is told of by the environment: KAFKA_BOOTSTRAP_SERVERS, KAFKA_USER, KAFKA_PASSWORD, CA_PATH, QUEUE_EVENTS_TOPIC,
      QUEUE_CONTROL_TOPIC, TEMPER_CANARY_TOPIC, TEMPER_KAFKA_MIN_ISR, TEMPER_LOOKBACK; the cluster by KUBECONFIG or a service account
      --policy FILE     the policy; the built-in one for StreamForge without it. A change of the file takes effect
      --healing-policy NAME  the policy is the HealingPolicy of that name in the namespace, and is watched. While there is none it waits
      --listen ADDRESS  where /livez, /readyz, /metrics, /incidents and /probes are (0.0.0.0:8080)
      --lease NAME      of several healers the holder of this Lease acts (temper-healer)
      --queue ID        looks at this queue's workers only: for a sidecar
      --dry-run         says what it would do, and changes nothing
      --once            ends when it has listened long enough for whoever is stuck (or --for so long), and nothing is under way: for cron.
                        Exit status 1 if it could not act, because it heard too little or another healer leads
  temper-healer check [the options of run]
      asks the live cluster whether it would work: the policy, rights, what Jobs look like, topics. Exit status 1 if something would not
  temper-healer replay --events FILE [--policy FILE] [--max-gap 60s]
      tries a policy on recorded telemetry: records of queue-events and queue-control as `kcat -J` writes them (`-` for standard input),
      one line of JSON for each decision. Without --policy: what is built in for StreamForge
      --events-topic NAME   which topic holds telemetry (queue-events)
      --control-topic NAME  which topic holds commands (queue-control)
  temper-healer policy
      prints the built-in policy, to begin one's own with
  temper-healer help | version

Exit status: 0 done, 64 wrong usage or policy, 65 unreadable records
";

/// Wrong usage, or a policy that makes no sense (`EX_USAGE`).
const USAGE: u8 = 64;

/// Records that can't be read (`EX_DATAERR`).
const DATA: u8 = 65;

/// What went wrong, by what the exit status says of it.
enum Failure {
    Usage(anyhow::Error),
    Data(anyhow::Error),
    Output(io::Error),
    Run(anyhow::Error),
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(anyhow::Error::new(error).context("try `temper-healer help`"))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Does what the arguments ask for, and says how it went.
pub fn run(mut arguments: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let failure = match dispatch(&mut arguments) {
        Ok(()) => return Ok(ExitCode::SUCCESS),
        // Nobody reads on: `| head` is no failure.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(ExitCode::SUCCESS);
        }
        Err(failure) => failure,
    };
    let (error, status) = match failure {
        Failure::Usage(error) => (error, USAGE),
        Failure::Data(error) => (error, DATA),
        Failure::Output(error) => return Err(error).context("writing the answer"),
        Failure::Run(error) => return Err(error),
    };
    writeln!(io::stderr(), "temper-healer: {error:#}")?;
    Ok(ExitCode::from(status))
}

fn dispatch(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    use lexopt::prelude::*;
    match arguments.next()? {
        Some(Value(command)) => match command.to_str() {
            Some("run") => run_healer(arguments),
            Some("check") => check(arguments),
            Some("replay") => replay(arguments),
            Some("policy") => print(include_str!("../core/src/policy/streamforge.yaml")),
            Some("help") => print(HELP),
            Some("version") => print(concat!("temper-healer ", env!("CARGO_PKG_VERSION"), "\n")),
            _ => Err(usage(format!("there is no command {}", command.display()))),
        },
        None | Some(Short('h') | Long("help")) => print(HELP),
        Some(Short('V') | Long("version")) => {
            print(concat!("temper-healer ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        Some(other) => Err(other.unexpected().into()),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn usage(what: impl std::fmt::Display) -> Failure {
    Failure::Usage(anyhow::anyhow!("{what}; try `temper-healer help`"))
}

fn run_healer(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    let settings = Settings::read(arguments, |name| std::env::var(name).ok());
    let settings = settings.map_err(|error| usage(error.to_string()))?;
    settings.rules.read().map_err(Failure::Usage)?;
    run::run(settings).map_err(Failure::Run)
}

fn check(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    let settings = Settings::read(arguments, |name| std::env::var(name).ok());
    let settings = settings.map_err(|error| usage(error.to_string()))?;
    settings.rules.read().map_err(Failure::Usage)?;
    let (mut bad, mut written) = (0_usize, Ok(()));
    let mut output = io::stdout().lock();
    crate::check::check(&settings, &mut |finding| {
        bad += usize::from(finding.grade == Grade::Bad);
        if written.is_ok() {
            written = writeln!(output, "{finding}");
        }
    })
    .map_err(Failure::Run)?;
    written?;
    match bad {
        0 => Ok(()),
        _ => Err(Failure::Run(anyhow::anyhow!(
            "{bad} things are not as they must be"
        ))),
    }
}

struct ReplayArguments {
    events: PathBuf,
    policy: Policy,
    max_gap: Span,
    topics: Topics,
}

fn replay(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    let ReplayArguments {
        events,
        policy,
        max_gap,
        topics,
    } = replay_arguments(arguments)?;
    let records = read(&events).map_err(Failure::Data)?;
    let mut output = io::stdout().lock();
    let mut written = Ok(());
    let summary = replay::replay(
        policy,
        max_gap.duration(),
        &topics,
        records,
        &mut |decision| {
            if written.is_ok() {
                written = serde_json::to_writer(&mut output, decision)
                    .map_err(io::Error::from)
                    .and_then(|()| output.write_all(b"\n"));
            }
        },
    );
    written?;
    Ok(io::stderr().write_all(spoken(&summary).as_bytes())?)
}

fn replay_arguments(arguments: &mut lexopt::Parser) -> Result<ReplayArguments, Failure> {
    use lexopt::prelude::*;
    let (mut events, mut policy, mut max_gap) = (None, Policy::streamforge(), replay::MAX_GAP);
    let mut topics = Topics {
        events: "queue-events".to_owned(),
        control: "queue-control".to_owned(),
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("events") => events = Some(PathBuf::from(arguments.value()?)),
            Value(path) if events.is_none() => events = Some(PathBuf::from(path)),
            Long("policy") => {
                let file = PathBuf::from(arguments.value()?);
                policy = rules::read(&file).map_err(Failure::Usage)?;
            }
            Long("max-gap") => {
                max_gap = Span::parse(&arguments.value()?.string()?).map_err(usage)?;
            }
            Long("events-topic") => topics.events = arguments.value()?.string()?,
            Long("control-topic") => topics.control = arguments.value()?.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(ReplayArguments {
        events: events.ok_or_else(|| usage("replay needs --events FILE".to_owned()))?,
        policy,
        max_gap,
        topics,
    })
}

fn read(path: &std::path::Path) -> anyhow::Result<replay::Records> {
    if path.as_os_str() == "-" {
        return replay::read(io::stdin().lock()).context("standard input");
    }
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    replay::read(BufReader::new(file)).with_context(|| path.display().to_string())
}

/// What was in the file, for people.
fn spoken(summary: &Summary) -> String {
    let Summary {
        records,
        foreign,
        unreadable,
        decisions,
    } = summary;
    let foreign = (*foreign > 0).then(|| format!(", {foreign} records of other topics"));
    let unreadable = unreadable
        .iter()
        .map(|(why, count)| format!(", {count} unreadable ({why})"));
    let rest: String = foreign.into_iter().chain(unreadable).collect();
    format!("{records} records, {decisions} decisions{rest}\n")
}
