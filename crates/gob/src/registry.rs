//! The types that a peer has defined on one direction of a stream.
//!
//! Definitions may refer to ids that are defined later, or to their own. An id that is mentioned gets a
//! slot at once, filled when its definition comes, so that walking a value needs no look-up by id.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Marshaler;
use crate::error::Error;
use crate::wire::wide;

/// The lowest id that a peer may define; those below belong to the format.
const FIRST_USER_ID: i64 = 64;

/// A type of the wire: one that needs no definition, or the slot of one that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Uint,
    Float,
    Bytes,
    String,
    Complex,
    Interface,
    Defined(usize),
}

/// What a definition says.
#[derive(Debug)]
pub(crate) enum Definition {
    List(Kind),
    Array { element: Kind, length: u64 },
    Map { key: Kind, value: Kind },
    Struct(Structure),
    Opaque(Marshaler),
}

#[derive(Debug)]
pub(crate) struct Structure {
    pub(crate) name: Arc<str>,
    pub(crate) fields: Box<[Field]>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
}

/// All definitions so far.
#[derive(Debug)]
pub(crate) struct Registry {
    slots: Vec<Slot>,
    by_id: BTreeMap<i64, usize>,
    /// How many slots there may be.
    most: usize,
}

#[derive(Debug)]
struct Slot {
    id: i64,
    definition: Option<Definition>,
}

impl Registry {
    /// An empty registry for up to `most` types, defined or only mentioned.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            slots: Vec::new(),
            by_id: BTreeMap::new(),
            most,
        }
    }

    /// The type that the peer calls `id`, defined or not yet.
    pub(crate) fn kind(&mut self, id: i64, offset: u64) -> Result<Kind, Error> {
        match builtin(id) {
            Some(kind) => Ok(kind),
            None if id >= FIRST_USER_ID => self.slot(id, offset).map(Kind::Defined),
            None => Err(Error::malformed(
                offset,
                "the id of a type",
                format!("the reserved id {id}"),
            )),
        }
    }

    /// The type that the peer calls `id`, if that was ever mentioned.
    pub(crate) fn known(&self, id: i64) -> Option<Kind> {
        builtin(id).or_else(|| self.by_id.get(&id).copied().map(Kind::Defined))
    }

    fn slot(&mut self, id: i64, offset: u64) -> Result<usize, Error> {
        if let Some(slot) = self.by_id.get(&id) {
            return Ok(*slot);
        }
        let slot = self.slots.len();
        if slot >= self.most {
            let (allowed, stated) = (wide(self.most), wide(slot).saturating_add(1));
            return Err(Error::Limit {
                offset,
                limit: "types",
                allowed,
                stated,
            });
        }
        self.by_id.insert(id, slot);
        self.slots.push(Slot {
            id,
            definition: None,
        });
        Ok(slot)
    }

    /// Refuses an id that a definition must not have: a reserved one, or one already defined.
    pub(crate) fn check_new(&self, id: i64, offset: u64) -> Result<(), Error> {
        let taken = |slot: &usize| {
            self.slots
                .get(*slot)
                .is_some_and(|slot| slot.definition.is_some())
        };
        if id < FIRST_USER_ID {
            let got = format!("the reserved id {id}");
            return Err(Error::malformed(
                offset,
                "the id of a new type, at least 64",
                got,
            ));
        }
        if self.by_id.get(&id).is_some_and(taken) {
            let got = format!("id {id}, which is already defined");
            return Err(Error::malformed(offset, "the id of a new type", got));
        }
        Ok(())
    }

    /// Fills the slot of `id`, which [`Registry::check_new`] let pass.
    pub(crate) fn define(&mut self, id: i64, new: Definition, offset: u64) -> Result<(), Error> {
        let slot = self.slot(id, offset)?;
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.definition = Some(new);
        }
        Ok(())
    }

    /// The definition in `slot`, needed by the value at `offset`.
    #[inline]
    pub(crate) fn definition(&self, slot: usize, offset: u64) -> Result<&Definition, Error> {
        let found = self.slots.get(slot);
        found
            .and_then(|slot| slot.definition.as_ref())
            .ok_or_else(|| {
                let id = found.map_or(0, |slot| slot.id);
                Error::malformed(
                    offset,
                    "a value of a defined type",
                    format!("undefined type {id}"),
                )
            })
    }
}

const fn builtin(id: i64) -> Option<Kind> {
    Some(match id {
        1 => Kind::Bool,
        2 => Kind::Int,
        3 => Kind::Uint,
        4 => Kind::Float,
        5 => Kind::Bytes,
        6 => Kind::String,
        7 => Kind::Complex,
        8 => Kind::Interface,
        _ => return None,
    })
}
