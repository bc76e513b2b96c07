//! Whether a program can do its work, and why not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What a program needs, by name, and how each of them stands. Clones see the same.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<States>>);

/// The reason of each need that is not met, `None` of one that is.
type States = BTreeMap<&'static str, Option<String>>;

impl Readiness {
    /// Not ready until [`set`](Self::set) has said of each of `needs` that it is met.
    pub fn of(needs: impl IntoIterator<Item = &'static str>) -> Self {
        let starting = |need| (need, Some("not seen yet".to_owned()));
        Self(Arc::new(Mutex::new(
            needs.into_iter().map(starting).collect(),
        )))
    }

    /// Says how a need stands now: met, or the reason why not, which is shown as one line.
    pub fn set(&self, need: &'static str, state: Result<(), &str>) {
        let reason = state.err().map(|reason| reason.replace('\n', " "));
        self.states().insert(need, reason);
    }

    /// Whether every need is met.
    pub fn is_ready(&self) -> bool {
        self.states().values().all(Option::is_none)
    }

    /// The needs that are not met, each with its reason, in alphabetical order.
    pub fn reasons(&self) -> Vec<(&'static str, String)> {
        self.states()
            .iter()
            .filter_map(|(need, reason)| Some((*need, reason.clone()?)))
            .collect()
    }

    /// A map is whole after every single change, so one that another thread left in a panic is still good.
    fn states(&self) -> MutexGuard<'_, States> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
