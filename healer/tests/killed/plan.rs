//! What happens in a run: who works there, and where healers die.

use fastrand::Rng;
use temper_fake_kube::{Fault, Gate, Matcher, Refusal, Resource, Times, Verb};

/// What becomes of a worker, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lot {
    pub(crate) turn: Turn,
    /// Not before so many deaths, so that there is something to do for each healer that comes.
    pub(crate) after: usize,
}

/// What becomes of a worker's first Job. Whatever replaces it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It works.
    Works,
    /// Its work is done one day.
    Ends,
    /// It reports errors.
    Errs,
    /// It says nothing more.
    Hangs,
    /// It reports an error, and its Job fails.
    Dies,
}

impl Turn {
    pub(crate) const fn is_trouble(self) -> bool {
        matches!(self, Self::Errs | Self::Hangs | Self::Dies)
    }
}

/// Which healers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crew {
    /// One, that comes back under the name that it had.
    Alone,
    /// Two, and each believes that it leads.
    Rivals,
    /// Two, of which one waits for the other's Lease to expire. Who was killed comes back under another name.
    Heirs,
}

/// At which request a healer is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    ReadsSuccessor,
    ReadsOld,
    ReadsPods,
    Creates,
    Deletes,
    Reprieves,
    Withdraws,
    Releases,
    /// Whatever it asks for, the Lease and its watch among that.
    Anything,
}

/// What becomes of a request whose sender was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It never arrives.
    Lost,
    /// It was carried out, and nobody was left to be told.
    Done,
    /// It is carried out when others have long gone on.
    Late,
}

/// A death by SIGKILL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    pub(crate) place: Place,
    pub(crate) fate: Fate,
}

/// All of them. What became of a question makes no difference to anybody.
const DEATHS: [Death; 21] = {
    use Fate::{Done, Late, Lost};
    use Place::{
        Anything, Creates, Deletes, ReadsOld, ReadsPods, ReadsSuccessor, Releases, Reprieves,
        Withdraws,
    };
    const fn at(place: Place, fate: Fate) -> Death {
        Death { place, fate }
    }
    [
        at(ReadsSuccessor, Lost),
        at(ReadsOld, Lost),
        at(ReadsPods, Lost),
        at(Creates, Lost),
        at(Creates, Done),
        at(Creates, Late),
        at(Deletes, Lost),
        at(Deletes, Done),
        at(Deletes, Late),
        at(Reprieves, Lost),
        at(Reprieves, Done),
        at(Reprieves, Late),
        at(Withdraws, Lost),
        at(Withdraws, Done),
        at(Withdraws, Late),
        at(Releases, Lost),
        at(Releases, Done),
        at(Releases, Late),
        at(Anything, Lost),
        at(Anything, Done),
        at(Anything, Late),
    ]
};

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) crew: Crew,
    pub(crate) lots: Vec<Lot>,
    pub(crate) deaths: [Death; 2],
}

impl Plan {
    /// All pairs of deaths are among any 441 seeds in a row, and neighbours have little in common.
    pub(crate) fn new(seed: u64, random: &mut Rng) -> Self {
        /// Has no divisor in common with the number of pairs.
        const STRIDE: u64 = 197;
        let kinds = DEATHS.len() as u64;
        let pair = (seed % (kinds * kinds) * STRIDE) % (kinds * kinds);
        let death = |number: u64| DEATHS[usize::try_from(number).unwrap()];
        let crew = match seed % 10 {
            1 | 4 | 7 => Crew::Rivals,
            9 => Crew::Heirs,
            _ => Crew::Alone,
        };
        Self {
            crew,
            lots: lots(random),
            deaths: [death(pair / kinds), death(pair % kinds)],
        }
    }
}

/// At least one worker works on, and at least one goes wrong before each death.
fn lots(random: &mut Rng) -> Vec<Lot> {
    let all = [Turn::Errs, Turn::Hangs, Turn::Dies, Turn::Works, Turn::Ends];
    let lot = |turn, after| Lot { turn, after };
    let mut lots = vec![
        lot(Turn::Works, 0),
        lot(all[random.usize(..3)], 0),
        lot(all[random.usize(..3)], 1),
    ];
    for _ in 0..random.usize(0..=2) {
        lots.push(lot(all[random.usize(..all.len())], random.usize(0..=1)));
    }
    random.shuffle(&mut lots);
    lots
}

impl Place {
    /// The requests, by names as `Worker` gives them.
    pub(crate) fn matcher(self) -> Matcher {
        let jobs = |verb| Matcher::any().resource(Resource::Jobs).verb(verb);
        match self {
            Self::ReadsSuccessor => jobs(Verb::Get).name("*-r1"),
            Self::ReadsOld => jobs(Verb::Get).name("*-job"),
            Self::ReadsPods => Matcher::any().resource(Resource::Pods),
            Self::Creates => jobs(Verb::Create),
            Self::Deletes => jobs(Verb::Delete).name("*-job"),
            Self::Reprieves => jobs(Verb::Patch).name("*-job"),
            Self::Withdraws => jobs(Verb::Delete).name("*-r1"),
            Self::Releases => jobs(Verb::Patch).name("*-r1"),
            Self::Anything => Matcher::any(),
        }
    }

    /// At the how-manieth of them.
    pub(crate) fn times(self, random: &mut Rng) -> Times {
        Times::Nth(match self {
            Self::ReadsSuccessor | Self::ReadsOld | Self::ReadsPods => random.usize(1..=3),
            Self::Anything => random.usize(1..=40),
            Self::Creates | Self::Deletes | Self::Reprieves | Self::Withdraws | Self::Releases => {
                random.usize(1..=2)
            }
        })
    }
}

impl Fate {
    /// Holds the request at the gate.
    pub(crate) fn fault(self, gate: &Gate) -> Fault {
        let held = Fault::hold(gate.clone());
        match self {
            Self::Lost | Self::Late => held,
            Self::Done => held.after_commit(),
        }
    }
}

/// Something that goes wrong with a few requests, before or after they were carried out.
pub(crate) fn fault(random: &mut Rng) -> (Matcher, Times, Fault) {
    let jobs = Matcher::any().resource(Resource::Jobs);
    let matchers = [
        Matcher::changes().resource(Resource::Jobs),
        jobs,
        Matcher::any().resource(Resource::Pods),
        Matcher::any(),
    ];
    let faults = [
        Fault::refuse(Refusal::Conflict),
        Fault::refuse(Refusal::TooManyRequests { retry_after: 1 }),
        Fault::refuse(Refusal::Expired),
        Fault::refuse(Refusal::Internal),
        Fault::refuse(Refusal::Unavailable),
        Fault::refuse(Refusal::Timeout),
        Fault::cut(),
    ];
    let times = if random.bool() {
        Times::Nth(random.usize(1..=6))
    } else {
        Times::First(random.usize(1..=2))
    };
    let fault = faults[random.usize(..faults.len())].clone();
    let fault = if random.bool() {
        fault
    } else {
        fault.after_commit()
    };
    (
        matchers[random.usize(..matchers.len())].clone(),
        times,
        fault,
    )
}
