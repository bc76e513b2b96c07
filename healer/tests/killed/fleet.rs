//! What is no healer: the programs in the pods, the controllers, and the weather.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    convert::Infallible,
    time::Duration,
};

use fastrand::Rng;
use serde_json::Value;
use temper_fake_kube::{Control, Resource};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    diary::Diary,
    plan::{Lot, Turn},
    stage::{
        NAMESPACE,
        kafka::{Brokers, PARTITIONS, Voice},
        worker::Worker,
    },
};

/// A round takes so long. Nobody waits for rounds: they are how fast the world turns.
const ROUND: Duration = Duration::from_millis(10);

/// All that moves by itself.
pub(crate) struct Fleet {
    control: Control,
    brokers: Brokers,
    voice: Voice<usize>,
    diary: Diary,
    lots: Vec<Lot>,
    random: RefCell<Rng>,
    programs: RefCell<BTreeMap<String, Program>>,
    rounds: Cell<u64>,
    weather: Cell<Weather>,
    /// How often healers were killed, or would have been.
    deaths: Cell<usize>,
}

/// What is out of order until that round.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    /// A broker that hangs.
    broker: Option<i32>,
    /// Pods that are to go stay.
    sticky: bool,
    until: u64,
}

/// What runs in a pod.
#[derive(Debug, Default)]
struct Program {
    words: u64,
    /// It goes wrong, or is done, after so many.
    lasts: u64,
    next: u64,
    terminated: bool,
}

/// A pod, as far as its program knows it.
struct Pod {
    uid: String,
    job: String,
    worker: Worker,
    ended: bool,
    terminating: bool,
}

impl Fleet {
    pub(crate) fn new(control: Control, brokers: Brokers, lots: Vec<Lot>, random: Rng) -> Self {
        let diary = Diary::of(lots.len());
        let written = diary.clone();
        let voice = brokers.voice(move |worker| written.note_word(worker));
        Self {
            control,
            brokers,
            voice,
            diary,
            lots,
            random: RefCell::new(random),
            programs: RefCell::default(),
            rounds: Cell::default(),
            weather: Cell::default(),
            deaths: Cell::default(),
        }
    }

    pub(crate) fn diary(&self) -> &Diary {
        &self.diary
    }

    /// How many words each worker has said at least. Those that end are left out.
    pub(crate) fn words(&self) -> usize {
        let speaks = |worker: &usize| self.lots[*worker].turn != Turn::Ends;
        let workers = (0..self.lots.len()).filter(speaks);
        let words = workers.map(|worker| self.diary.life(worker).words());
        words.min().unwrap_or_default()
    }

    /// Those go wrong now that were to go wrong after this death.
    pub(crate) fn note_death(&self) {
        self.deaths.set(self.deaths.get() + 1);
    }

    /// Perhaps a broker hangs, perhaps pods take their time to end; either passes.
    pub(crate) fn turn_bad(&self) {
        if self.weather.get().until > 0 {
            return;
        }
        let mut random = self.random.borrow_mut();
        let broker = (random.u8(0..4) == 0).then(|| random.i32(1..=3));
        let sticky = random.u8(0..3) == 0;
        let until = self.rounds.get() + random.u64(50..250);
        if let Some(broker) = broker {
            self.delay(broker, random.u64(1..3_000));
        }
        if sticky {
            self.control.hold_pods();
        }
        let weather = Weather {
            broker,
            sticky,
            until,
        };
        self.weather.set(weather);
    }

    fn clear_up(&self) {
        let weather = self.weather.take();
        if let Some(broker) = weather.broker {
            self.delay(broker, 0);
        }
        if weather.sticky {
            self.control.let_pods_go();
        }
    }

    fn delay(&self, broker: i32, ms: u64) {
        let delay = Duration::from_millis(ms);
        let delayed = self.brokers.0.broker_round_trip_time(broker, delay);
        delayed.expect("a broker that there is");
    }

    /// Round after round, for as long as it is polled.
    pub(crate) async fn live(&self) -> Infallible {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.round();
        }
    }

    fn round(&self) {
        let now = self.rounds.get() + 1;
        self.rounds.set(now);
        if (1..=now).contains(&self.weather.get().until) {
            self.clear_up();
        }
        let steps = self.random.borrow_mut().usize(0..=4);
        for _ in 0..steps {
            // There may be nothing to do for them.
            self.control.step();
        }
        let pods = self.control.list(Resource::Pods);
        for pod in pods.iter().map(Pod::read) {
            self.run(&pod, now);
        }
    }

    fn run(&self, pod: &Pod, now: u64) {
        let mut programs = self.programs.borrow_mut();
        let program = programs.entry(pod.uid.clone()).or_insert_with(|| {
            let lasts = self.random.borrow_mut().u64(0..20);
            Program {
                lasts,
                ..Program::default()
            }
        });
        if pod.ended || program.terminated || now < program.next {
            return;
        }
        program.next = now + self.random.borrow_mut().u64(8..=12);
        let turn = self.turn(pod, program);
        if pod.terminating {
            program.terminated = true;
            if turn != Turn::Hangs {
                self.say(pod.worker, "interrupted", program.words);
            }
            return;
        }
        match turn {
            Turn::Works if program.words == 0 => self.say(pod.worker, "started", 0),
            Turn::Works => self.say(pod.worker, "loading", program.words),
            Turn::Ends => {
                self.say(pod.worker, "finished", program.words);
                self.control.job(NAMESPACE, &pod.job).finish();
            }
            Turn::Errs | Turn::Hangs | Turn::Dies => self.go_wrong(pod, turn, program.words),
        }
        program.words += 1;
    }

    /// What it is now: it works at first, and so does every successor.
    fn turn(&self, pod: &Pod, program: &Program) -> Turn {
        let Lot { turn, after } = self.lots[pod.worker.0];
        let first = pod.job == pod.worker.job();
        let early = program.words < program.lasts || self.deaths.get() < after;
        if early || (turn.is_trouble() && !first) {
            return Turn::Works;
        }
        turn
    }

    fn go_wrong(&self, pod: &Pod, turn: Turn, words: u64) {
        self.diary.note_trouble(pod.worker.0);
        if turn != Turn::Hangs {
            self.say(pod.worker, "error", words);
        }
        if turn == Turn::Dies {
            self.control
                .job(NAMESPACE, &pod.job)
                .fail("BackoffLimitExceeded");
        }
    }

    fn say(&self, worker: Worker, status: &str, records: u64) {
        let partition = self.random.borrow_mut().i32(0..PARTITIONS);
        self.voice
            .say(partition, &worker.word(status, records), worker.0);
    }
}

impl Pod {
    fn read(pod: &Value) -> Self {
        let text = |pointer| {
            let text = pod.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let job = text("/metadata/labels/job-name");
        Self {
            uid: text("/metadata/uid"),
            worker: Worker::of_job(&job),
            job,
            ended: ["Succeeded", "Failed"].contains(&text("/status/phase").as_str()),
            terminating: pod.pointer("/metadata/deletionTimestamp").is_some(),
        }
    }
}
