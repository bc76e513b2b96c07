//! The programs in the pods: kwok runs none, so this plays StreamForge's workers, and keeps a diary of who ran when.

mod diary;
mod life;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use futures_util::{TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    runtime::watcher::{self, Event, watcher},
};
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};

pub use self::{
    diary::{Diary, Run},
    life::{Manner, Who},
};
use crate::{child::show, kafka::Telemetry};

/// The fleet: each pod of a Job that runs in the namespace has a program, which works until a story wants otherwise.
///
/// All of them end when this is dropped.
pub struct Workers {
    shared: Arc<Shared>,
    _watching: JoinSet<()>,
}

/// What the programs share.
struct Shared {
    pods: Api<Pod>,
    telemetry: Telemetry,
    manners: Mutex<HashMap<String, Manner>>,
    /// The Jobs whose programs have said that they are at work.
    heard: Mutex<HashSet<String>>,
    diary: Mutex<Diary>,
}

impl Workers {
    /// Gives a program to each pod among `pods`, now and later; they report by `telemetry`.
    pub fn watch(pods: Api<Pod>, telemetry: Telemetry) -> Self {
        let shared = Arc::new(Shared {
            pods,
            telemetry,
            manners: Mutex::default(),
            heard: Mutex::default(),
            diary: Mutex::default(),
        });
        let mut watching = JoinSet::new();
        watching.spawn(keep_watching(Arc::clone(&shared)));
        Self {
            shared,
            _watching: watching,
        }
    }

    /// From now on the programs of this Job behave so. Those of a Job that takes its place work as they should.
    pub fn behave(&self, job: &str, manner: Manner) {
        locked(&self.shared.manners).insert(job.to_owned(), manner);
    }

    /// Whether a program of this Job has said that it is at work, and the brokers have acknowledged it.
    pub fn are_heard(&self, job: &str) -> bool {
        locked(&self.shared.heard).contains(job)
    }

    /// Who has run so far.
    pub fn diary(&self) -> Diary {
        locked(&self.shared.diary).clone()
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

impl Shared {
    fn manner(&self, job: &str) -> Manner {
        let manners = locked(&self.manners);
        manners.get(job).copied().unwrap_or(Manner::Works)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn keep_watching(shared: Arc<Shared>) {
    if let Err(error) = Watching::new(shared).run().await {
        show(&format!("the fleet watches pods no longer: {error:#}"));
    }
}

/// Sees pods come and go, and lets their programs begin and end.
struct Watching {
    shared: Arc<Shared>,
    programs: HashMap<String, Program>,
    lives: JoinSet<()>,
}

/// A program that runs.
struct Program {
    /// SIGTERM: its last words may follow.
    terminate: Option<oneshot::Sender<()>>,
    /// SIGKILL.
    kill: AbortHandle,
}

impl Watching {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            programs: HashMap::new(),
            lives: JoinSet::new(),
        }
    }

    async fn run(mut self) -> Result<()> {
        let pods = watcher(self.shared.pods.clone(), watcher::Config::default());
        pin_mut!(pods);
        while let Some(event) = pods.try_next().await? {
            match event {
                Event::Apply(pod) | Event::InitApply(pod) => self.see(&pod),
                Event::Delete(pod) => self.end(&uid(&pod)),
                Event::Init | Event::InitDone => {}
            }
        }
        Ok(())
    }

    fn see(&mut self, pod: &Pod) {
        let Some(who) = Who::of(pod) else { return };
        let uid = uid(pod);
        if matches!(phase(pod), "Succeeded" | "Failed") {
            return self.end(&uid);
        }
        locked(&self.shared.diary).begins(&uid, &who);
        if pod.metadata.deletion_timestamp.is_some() {
            self.terminate(&uid);
        } else if phase(pod) == "Running" && !self.programs.contains_key(&uid) {
            self.begin(uid, who);
        }
    }

    fn begin(&mut self, uid: String, who: Who) {
        let (terminate, terminated) = oneshot::channel();
        let life = life::live(Arc::clone(&self.shared), who, terminated);
        let program = Program {
            terminate: Some(terminate),
            kill: self.lives.spawn(life),
        };
        self.programs.insert(uid, program);
    }

    fn terminate(&mut self, uid: &str) {
        let program = self.programs.get_mut(uid);
        if let Some(terminate) = program.and_then(|program| program.terminate.take()) {
            terminate.send(()).ok(); // Refused by a program that has ended by itself.
        }
    }

    fn end(&mut self, uid: &str) {
        locked(&self.shared.diary).ends(uid);
        if let Some(program) = self.programs.remove(uid) {
            program.kill.abort();
        }
    }
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    phase.unwrap_or_default()
}
