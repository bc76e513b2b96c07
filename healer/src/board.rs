//! What the thread that decides shows to everybody else.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use temper_healer_core::{Moment, healer::Census};

use crate::{incidents::Incidents, kafka::Position};

/// The board, as it hangs on the wall.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Notes>>);

/// What is on it.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// When it was written.
    pub as_of: Moment,
    /// What the healer is.
    pub standing: Standing,
    /// Which policy holds.
    pub rules: String,
    /// How many workers are how.
    pub census: Census,
    /// What happened.
    pub incidents: Incidents,
    /// How far partitions have been read.
    pub positions: Vec<Position>,
}

/// Whether this healer sees and acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "a page of independent facts")]
pub struct Standing {
    /// Its name in the Lease.
    pub identity: String,
    /// Who holds the Lease, if anybody can tell.
    pub leader: Option<String>,
    /// Where its pages are, if it is another one and says so.
    #[serde(skip)]
    pub leader_pages: Option<SocketAddr>,
    /// It holds the Lease itself.
    pub leads: bool,
    /// It has heard all it needs, and acts.
    pub armed: bool,
    /// Nothing proves that workers could be heard.
    pub blind: bool,
    /// So many are in trouble that nothing is replaced.
    pub storm: bool,
    /// It only says what it would do.
    pub dry_run: bool,
    /// Partitions of `queue-events` that hold it back.
    pub dark_partitions: Vec<usize>,
    /// Milliseconds since the moment up to which everything was heard; none if nothing was.
    pub sight_age_ms: Option<u64>,
}

impl Board {
    /// Of a healer that has seen nothing yet.
    pub fn before_anything(now: Moment, identity: &str, dry_run: bool) -> Self {
        let standing = Standing {
            identity: identity.to_owned(),
            blind: true,
            dry_run,
            ..Standing::default()
        };
        Self(Arc::new(Mutex::new(Notes {
            as_of: now,
            standing,
            ..Notes::default()
        })))
    }

    /// Writes on it.
    pub fn write<T>(&self, change: impl FnOnce(&mut Notes) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads it.
    pub fn read<T>(&self, look: impl FnOnce(&Notes) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
