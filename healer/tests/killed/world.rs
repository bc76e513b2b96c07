//! A run: it begins, healers die, it comes to rest, and is judged.

use std::{env, fs, iter::Sum, time::Duration};

use fastrand::Rng;
use jiff::Timestamp;
use serde_json::Value;
use temper_fake_kube::{Control, FakeKube, Gate, Interruption, Resource};
use temper_healer_core::job::{self, State};
use tempfile::TempDir;
use tokio::time::{Instant, timeout_at};

use crate::{
    fleet::Fleet,
    laws::{self, Deeds},
    plan::{self, Crew, Death, Fate, Plan, Turn},
    stage::{
        NAMESPACE,
        kafka::Brokers,
        program::{Healer, Surroundings},
        worker::Worker,
    },
};

/// Deadlines and waits are as short as a policy may have them.
const POLICY: &str = "
kinds:
  - workers: loader
    startDeadline: 2s
    silentDeadline: 2s
    attempts: {max: 50, backoff: 1s, maxBackoff: 1s, sameError: 50}
guards: {maxUnhealthy: 100%, perMinute: 600, inFlight: 10}
sight: {maxGap: 2s, recoveryGrace: 1s}
";

/// No run takes so long, however busy the machine: most take ten seconds, and one in which Leases expire forty.
const DEADLINE: Duration = Duration::from_secs(150);

/// At rest it stays as it is, at least for so many words of everybody.
const REST: usize = 15;

/// What happened in runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) workers: u64,
    pub(crate) replaced: u64,
    /// Those of them that were well, but that this machine kept from speaking for so long.
    pub(crate) starved: u64,
    pub(crate) deaths: u64,
    pub(crate) died_twice: u64,
    pub(crate) faults: u64,
    pub(crate) requests: u64,
    pub(crate) deeds: Deeds,
}

/// A run, between its beginning and its end.
pub(crate) struct World {
    fleet: Fleet,
    story: Story,
}

struct Story {
    plan: Plan,
    random: Rng,
    control: Control,
    surroundings: Surroundings,
    healers: Vec<Option<Healer>>,
    /// How often one was started.
    starts: usize,
    /// Where requests of the dead wait.
    late: Vec<Gate>,
    /// How many deaths there were, or might have been.
    phase: usize,
    deaths: u64,
    deadline: Instant,
    folder: TempDir,
    _kube: FakeKube,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let plan = Plan::new(seed, &mut random);
        let kube = FakeKube::start_at(Timestamp::now()).unwrap();
        let control = kube.control();
        control.automatic(false);
        for worker in (0..plan.lots.len()).map(Worker) {
            let made = control.create(Resource::Jobs, NAMESPACE, &worker.manifest());
            made.unwrap();
        }
        let (folder, brokers) = (tempfile::tempdir().unwrap(), Brokers::start());
        let surroundings = Surroundings::write(folder.path(), &brokers, &kube.url(), POLICY);
        let fleet = Fleet::new(control.clone(), brokers, plan.lots.clone(), random.fork());
        let story = Story {
            plan,
            random,
            control,
            surroundings,
            healers: Vec::new(),
            starts: 0,
            late: Vec::new(),
            phase: 0,
            deaths: 0,
            deadline: Instant::now() + DEADLINE,
            folder,
            _kube: kube,
        };
        Self { fleet, story }
    }

    /// Lives to the end, or breaks a law.
    pub(crate) async fn live(self) -> Result<Summary, String> {
        let Self { fleet, mut story } = self;
        let told = tokio::select! {
            told = story.tell(&fleet) => told,
            never = fleet.live() => match never {},
        };
        if told.is_err() || env::var_os("TEMPER_FUZZ_SEED").is_some() {
            println!("{:?}\n{}", story.plan, story.logs());
        }
        told
    }
}

impl Story {
    async fn tell(&mut self, fleet: &Fleet) -> Result<Summary, String> {
        let ended = self.come_to_rest(fleet).await;
        // Where a law was broken, it says more than that there is no rest.
        let deeds = laws::check(&self.control.history(), fleet.diary())?;
        ended.map(|()| self.summary(deeds))
    }

    async fn come_to_rest(&mut self, fleet: &Fleet) -> Result<(), String> {
        let healers = match self.plan.crew {
            Crew::Alone => 1,
            Crew::Rivals | Crew::Heirs => 2,
        };
        for index in 0..healers {
            let healer = self.start(index);
            self.healers.push(Some(healer));
        }
        for death in self.plan.deaths {
            self.die(death, fleet).await?;
            self.phase += 1;
            fleet.note_death();
        }
        self.calm();
        self.until("all are healed", Self::is_at_rest).await?;
        let words = fleet.words() + REST;
        self.until("all speak", |_| fleet.words() >= words).await?;
        let stays = self.is_at_rest();
        stays
            .then_some(())
            .ok_or_else(|| format!("restless: {}", self.scene()))
    }

    /// A healer is killed at that place, or everybody is healed before one comes to it.
    async fn die(&mut self, death: Death, fleet: &Fleet) -> Result<(), String> {
        let gate = Gate::shut();
        let (times, held) = (death.place.times(&mut self.random), death.fate.fault(&gate));
        self.control.order(death.place.matcher(), times, held);
        self.disturb(fleet);
        let killed = tokio::select! {
            () = gate.reached(1) => self.kill(),
            rested = self.until("somebody dies, or all are healed", Self::is_at_rest) => {
                rested?;
                Vec::new()
            }
        };
        self.control.clear_faults();
        match death.fate {
            Fate::Late if !killed.is_empty() => self.late.push(gate),
            Fate::Late | Fate::Lost | Fate::Done => gate.turn_away(),
        }
        for index in killed {
            self.deaths += 1;
            self.healers[index] = Some(self.start(index));
        }
        if self.random.bool() {
            self.late.drain(..).for_each(|gate| gate.open());
        }
        Ok(())
    }

    /// Some requests will fail, a watch may be interrupted, a pod evicted, a broker hang.
    fn disturb(&mut self, fleet: &Fleet) {
        for _ in 0..self.random.usize(0..=3) {
            let (matcher, times, fault) = plan::fault(&mut self.random);
            self.control.order(matcher, times, fault);
        }
        let interruptions = [
            Interruption::Cut,
            Interruption::End,
            Interruption::Expire,
            Interruption::Gap(1),
            Interruption::Gap(3),
        ];
        if self.random.bool() {
            let interruption = interruptions[self.random.usize(..interruptions.len())];
            self.control.interrupt(Resource::Jobs, interruption);
        }
        if self.random.bool() {
            self.control.compact();
        }
        if self.random.bool() {
            let worker = Worker(self.random.usize(..self.plan.lots.len()));
            self.control.job(NAMESPACE, &worker.job()).evict_pod();
        }
        fleet.turn_bad();
    }

    /// Kills one healer or all of them, and says which.
    fn kill(&mut self) -> Vec<usize> {
        let all = self.healers.len();
        let one = self.random.usize(..all);
        let victims = if self.random.bool() {
            0..all
        } else {
            one..one + 1
        };
        for index in victims.clone() {
            // Dropped, it is killed.
            self.healers[index] = None;
        }
        victims.collect()
    }

    fn start(&mut self, index: usize) -> Healer {
        self.starts += 1;
        let (identity, lease) = match self.plan.crew {
            Crew::Alone => (0, 0),
            Crew::Rivals => (index, index),
            Crew::Heirs => (self.starts, 0),
        };
        let (identity, lease) = (format!("healer-{identity}"), format!("lease-{lease}"));
        self.surroundings.start(&identity, &lease, "127.0.0.1:0")
    }

    /// What was late arrives, and a watch that missed something is told all again.
    fn calm(&mut self) {
        self.late.drain(..).for_each(|gate| gate.open());
        self.control.interrupt(Resource::Jobs, Interruption::Expire);
    }

    async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) -> Result<(), String> {
        let seen = self.control.until(|_| so(self).then_some(()));
        let waited = timeout_at(self.deadline, seen).await;
        waited.map_err(|late| format!("unfinished: {late} waiting until {what}: {}", self.scene()))
    }

    /// Each worker has one Job with one pod, or has ended; and it is a successor if the worker was in trouble.
    fn is_at_rest(&self) -> bool {
        let jobs = self.control.list(Resource::Jobs);
        jobs.len() == self.plan.lots.len() && jobs.iter().all(|job| self.is_well(job))
    }

    fn is_well(&self, job: &Value) -> bool {
        let name = job["metadata"]["name"].as_str().unwrap();
        let worker = Worker::of_job(name);
        let lot = self.plan.lots[worker.0];
        let due = lot.after <= self.phase;
        if due && lot.turn == Turn::Ends {
            return job::state(job) == State::Complete;
        }
        let pods = self.control.job(NAMESPACE, name).pods();
        let terminating = |pod: &Value| pod.pointer("/metadata/deletionTimestamp").is_some();
        job::state(job) == State::Active
            && (!due || !lot.turn.is_trouble() || name != worker.job())
            && pods.len() == 1
            && !pods.iter().any(terminating)
    }

    fn summary(&self, deeds: Deeds) -> Summary {
        let requests = self.control.requests();
        let jobs = self.control.list(Resource::Jobs);
        let lots = jobs.iter().filter_map(|job| {
            let name = job["metadata"]["name"].as_str()?;
            let worker = Worker::of_job(name);
            (name != worker.job()).then(|| self.plan.lots[worker.0])
        });
        let faulty = requests.iter().filter(|request| request.outcome.faulty);
        Summary {
            workers: count(self.plan.lots.iter()),
            replaced: count(lots.clone()),
            starved: count(lots.filter(|lot| !lot.turn.is_trouble())),
            deaths: self.deaths,
            died_twice: u64::from(self.deaths > 1),
            faults: count(faulty),
            requests: count(requests.iter()),
            deeds,
        }
    }

    /// What there is, for people who want to know what went wrong.
    fn scene(&self) -> String {
        let jobs = self.control.list(Resource::Jobs);
        let told = jobs.iter().map(|job| {
            let name = job["metadata"]["name"].as_str().unwrap();
            let pods = self.control.job(NAMESPACE, name).pods().len();
            format!("{name} is {}, {pods} pods", job::state(job))
        });
        told.collect::<Vec<_>>().join("; ")
    }

    fn logs(&self) -> String {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let mut logs: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.sort();
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        logs.iter().map(read).collect::<Vec<_>>().join("\n")
    }
}

fn count<T>(things: impl Iterator<Item = T>) -> u64 {
    things.count() as u64
}

impl Sum for Summary {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |one, other| Self {
            workers: one.workers + other.workers,
            replaced: one.replaced + other.replaced,
            starved: one.starved + other.starved,
            deaths: one.deaths + other.deaths,
            died_twice: one.died_twice + other.died_twice,
            faults: one.faults + other.faults,
            requests: one.requests + other.requests,
            deeds: one.deeds + other.deeds,
        })
    }
}
