//! Walks over the bytes of a value before anyone builds something from them.
//!
//! The walk proves that the value is well formed, complete and within the limits, takes in the type
//! definitions on its way, and can stop at the end of a message and go on with the next. It keeps its
//! own stack, so that no depth which a peer states can exhaust that of the thread. Whoever reads the
//! value afterwards can rely on every length, count and type in it, and a value of the wrong type can
//! be dropped without losing the place in the stream.
//!
//! A message is a *chunk*: its length, then a definition, or a type id and a value. So is the value in an
//! interface. When an interface holds a type that was not sent before, the sender ends the chunk
//! right after the type's definition, sends the other definitions it needs as chunks of their own, and
//! goes on in a fresh one:
//!
//! ```text
//! length [ .. name  -id definition ]  length [ -id definition ]  length [ id  length [ value ] .. ]
//! ```
//!
//! That holds at every level: for an interface at the top of a message the chunks are messages; for one
//! inside the value of another they lie in that value, whose first length therefore does not count
//! all of it.

use alloc::format;
use alloc::vec::Vec;
use core::mem;

use crate::Limits;
use crate::definition::read;
use crate::error::Error;
use crate::registry::{Definition, Kind, Registry};
use crate::wire::{Numbers, Reader, wide};

/// The walk over one value, kept between its messages.
#[derive(Debug)]
pub(crate) struct Scan {
    stack: Vec<Frame>,
    /// Elements and fields seen, against [`Limits::elements`].
    elements: u64,
    /// Bytes of definitions on this stream, against [`Limits::definition_bytes`].
    definition_bytes: usize,
    /// What is to be kept of a value in several messages: all but definitions and chunk lengths.
    kept: Kept,
    /// The type of the value as a whole, once it is known.
    root: Option<Kind>,
    /// Whether definitions came in earlier messages and the value is still due.
    begun: bool,
}

/// The bytes of a value without what interrupts them.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// Where the part to be kept of the current message starts.
    from: usize,
}

/// Where a part of the kept bytes came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) offset: u64,
}

/// What a finished walk leaves to read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) body: Body,
}

/// Where the bytes of a value are.
#[derive(Debug)]
pub(crate) enum Body {
    /// In the last message, from this index on.
    InMessage(usize),
    /// Put together from several messages.
    Joined(Vec<u8>, Vec<Piece>),
}

/// A composite value that is not finished.
#[derive(Clone, Copy, Debug)]
enum Frame {
    Struct {
        slot: usize,
        fields: Numbers,
    },
    /// The elements of a list; or the keys and values of a map, keys where an even number is left.
    Elements {
        even: Kind,
        odd: Kind,
        left: u64,
    },
    /// After the name in an interface: definitions, then the id of what it holds.
    Concrete,
    /// The value in an interface; the surrounding chunk goes on up to `outer_end`.
    Chunk {
        outer_end: usize,
    },
}

impl Scan {
    /// A walk that has not begun.
    pub(crate) const fn new() -> Self {
        Self {
            stack: Vec::new(),
            elements: 0,
            definition_bytes: 0,
            kept: Kept {
                bytes: Vec::new(),
                pieces: Vec::new(),
                from: 0,
            },
            root: None,
            begun: false,
        }
    }

    /// How much of a value in several messages was kept so far.
    pub(crate) fn kept_bytes(&self) -> u64 {
        wide(self.kept.bytes.len())
    }

    /// Whether a value is under way whose end is still to come.
    pub(crate) const fn is_idle(&self) -> bool {
        !self.begun
    }

    /// Walks on through `message`: gives the value if that was its last one.
    pub(crate) fn message(
        &mut self,
        message: Reader<'_>,
        registry: &mut Registry,
        limits: &Limits,
    ) -> Result<Option<Found>, Error> {
        self.begun = true;
        self.kept.from = message.position();
        Walk {
            scan: self,
            reader: message,
            registry,
            limits,
        }
        .run()
    }
}

struct Walk<'w, 'a> {
    scan: &'w mut Scan,
    reader: Reader<'a>,
    registry: &'w mut Registry,
    limits: &'w Limits,
}

impl Walk<'_, '_> {
    fn run(mut self) -> Result<Option<Found>, Error> {
        if self.scan.root.is_none() && !self.begin()? {
            return Ok(None);
        }
        while let Some(frame) = self.scan.stack.pop() {
            if !self.step(frame)? {
                return Ok(None);
            }
        }
        self.finish().map(Some)
    }

    /// The start of a message outside of any value: a definition, which fills it, or a type id, with
    /// which the value starts. Tells which by whether the walk can go on.
    fn begin(&mut self) -> Result<bool, Error> {
        let offset = self.reader.offset();
        let id = self.reader.int("a type id")?;
        if id < 0 {
            self.definition(id, offset)?;
            self.expect_end("the end of the message after a definition")?;
            return Ok(false);
        }
        let kind = self.known(id, offset)?;
        self.scan.root = Some(kind);
        self.scan.kept.from = self.reader.position();
        self.whole(kind)?;
        Ok(true)
    }

    fn known(&self, id: i64, offset: u64) -> Result<Kind, Error> {
        let undefined = || format!("undefined type {id}");
        let known = self.registry.known(id);
        known.ok_or_else(|| Error::malformed(offset, "the id of a defined type", undefined()))
    }

    /// A value on its own, at the top or in an interface: a structure as it is, anything else after a
    /// zero.
    fn whole(&mut self, kind: Kind) -> Result<(), Error> {
        if !is_structure(self.registry, kind, self.reader.offset())? {
            let offset = self.reader.offset();
            let delta = self.reader.uint("a zero")?;
            if delta != 0 {
                return Err(Error::malformed(offset, "a zero before the value", delta));
            }
        }
        self.value(kind)
    }

    /// Goes on with the innermost value, until it is finished or another one inside it starts. Tells
    /// whether the walk can go on in this message.
    fn step(&mut self, frame: Frame) -> Result<bool, Error> {
        match frame {
            Frame::Struct { slot, fields } => self.fields(slot, fields)?,
            Frame::Elements { even, odd, left } => self.elements(even, odd, left)?,
            Frame::Concrete => return self.concrete(),
            Frame::Chunk { outer_end } => {
                self.expect_end("the end of the value in an interface")?;
                self.reader.set_end(outer_end);
            }
        }
        Ok(true)
    }

    fn fields(&mut self, slot: usize, mut fields: Numbers) -> Result<(), Error> {
        loop {
            let offset = self.reader.offset();
            let Some(number) = fields.next(&mut self.reader)? else {
                return Ok(());
            };
            self.count(1, offset)?;
            let kind = self.field(slot, number, offset)?;
            if is_scalar(kind) {
                self.scalar(kind)?;
                continue;
            }
            self.scan.stack.push(Frame::Struct { slot, fields });
            return self.value(kind);
        }
    }

    /// The type of a structure's field, sent as `number`.
    #[inline]
    fn field(&self, slot: usize, number: u64, offset: u64) -> Result<Kind, Error> {
        let Definition::Struct(structure) = self.registry.definition(slot, offset)? else {
            return Err(Error::malformed(offset, "a structure", "another type"));
        };
        let field = usize::try_from(number)
            .ok()
            .and_then(|number| structure.fields.get(number));
        field.map(|field| field.kind).ok_or_else(|| {
            let expected = format!("one of the structure's {} fields", structure.fields.len());
            Error::malformed(offset, &expected, format_args!("field number {number}"))
        })
    }

    fn elements(&mut self, even: Kind, odd: Kind, mut left: u64) -> Result<(), Error> {
        while left > 0 {
            let kind = if left & 1 == 0 { even } else { odd };
            left = left.saturating_sub(1);
            if is_scalar(kind) {
                self.scalar(kind)?;
                continue;
            }
            self.scan.stack.push(Frame::Elements { even, odd, left });
            return self.value(kind);
        }
        Ok(())
    }

    fn value(&mut self, kind: Kind) -> Result<(), Error> {
        match kind {
            Kind::Interface => self.interface(),
            Kind::Defined(slot) => self.composite(slot),
            scalar => self.scalar(scalar),
        }
    }

    #[inline]
    fn scalar(&mut self, kind: Kind) -> Result<(), Error> {
        match kind {
            Kind::Bytes => self.reader.counted("bytes").map(drop),
            Kind::String => self.reader.counted("a string").map(drop),
            Kind::Complex => {
                self.reader.uint("a complex number")?;
                self.reader.uint("a complex number").map(drop)
            }
            Kind::Float => self.reader.uint("a float").map(drop),
            Kind::Int => self.reader.uint("an int").map(drop),
            Kind::Uint => self.reader.uint("a uint").map(drop),
            _ => self.reader.uint("a bool").map(drop),
        }
    }

    fn composite(&mut self, slot: usize) -> Result<(), Error> {
        let offset = self.reader.offset();
        match *self.registry.definition(slot, offset)? {
            Definition::Opaque(_) => self.reader.counted("a marshaled value").map(drop),
            Definition::Struct(_) => self.enter(
                Frame::Struct {
                    slot,
                    fields: Numbers::default(),
                },
                offset,
            ),
            Definition::List(kind) => {
                let left = self.reader.uint("the number of elements")?;
                self.enter_elements(kind, kind, left, offset)
            }
            Definition::Map { key, value } => {
                let pairs = self.reader.uint("the number of pairs")?;
                self.enter_elements(key, value, pairs.saturating_mul(2), offset)
            }
            Definition::Array { element, length } => {
                let stated = self.reader.uint("the length of an array")?;
                if stated != length {
                    let expected = format!("{length} elements, as the array's type says");
                    return Err(Error::malformed(offset, &expected, stated));
                }
                self.enter_elements(element, element, stated, offset)
            }
        }
    }

    fn enter_elements(
        &mut self,
        even: Kind,
        odd: Kind,
        left: u64,
        offset: u64,
    ) -> Result<(), Error> {
        self.count(left, offset)?;
        self.enter(Frame::Elements { even, odd, left }, offset)
    }

    fn interface(&mut self) -> Result<(), Error> {
        let offset = self.reader.offset();
        let name = read::short_name(&mut self.reader, self.limits.name_bytes)?;
        if name.is_empty() {
            Ok(())
        } else {
            self.enter(Frame::Concrete, offset)
        }
    }

    /// What follows the name in an interface.
    fn concrete(&mut self) -> Result<bool, Error> {
        loop {
            let start = self.reader.position();
            let offset = self.reader.offset();
            let id = self.reader.int("a type id")?;
            if id >= 0 {
                let kind = self.known(id, offset)?;
                self.open_chunk()?;
                self.whole(kind)?;
                return Ok(true);
            }
            self.keep_up_to(start);
            self.definition(id, offset)?;
            self.expect_end("the end of the chunk after a definition")?;
            let Some(outer_end) = self.surrounding_end() else {
                self.scan.stack.push(Frame::Concrete);
                return Ok(false);
            };
            let length = self.chunk_length(outer_end)?;
            self.reader
                .set_end(self.reader.position().saturating_add(length));
            self.scan.kept.from = self.reader.position();
        }
    }

    /// Enters the value in an interface, a chunk within the current one.
    fn open_chunk(&mut self) -> Result<(), Error> {
        let outer_end = self.reader.end();
        let length = self.chunk_length(outer_end)?;
        self.reader
            .set_end(self.reader.position().saturating_add(length));
        self.scan.stack.push(Frame::Chunk { outer_end });
        Ok(())
    }

    /// The end of the chunk around the innermost interface value; none if that is the message.
    fn surrounding_end(&self) -> Option<usize> {
        self.scan.stack.iter().rev().find_map(|frame| match frame {
            Frame::Chunk { outer_end } => Some(*outer_end),
            _ => None,
        })
    }

    /// The length of a chunk, which must fit in what is left up to `outer_end`.
    fn chunk_length(&mut self, outer_end: usize) -> Result<usize, Error> {
        self.reader.set_end(outer_end);
        let offset = self.reader.offset();
        let stated = self.reader.uint("the length of a value in an interface")?;
        match usize::try_from(stated) {
            Ok(length) if length <= self.reader.left() => Ok(length),
            _ => {
                let left = self.reader.left();
                let expected = format!("a value within the {left} bytes left");
                Err(Error::malformed(
                    offset,
                    &expected,
                    format!("{stated} bytes"),
                ))
            }
        }
    }

    /// The definition of type `-negative`.
    fn definition(&mut self, negative: i64, offset: u64) -> Result<(), Error> {
        let id = negative.checked_neg().unwrap_or(0);
        self.registry.check_new(id, offset)?;
        self.count_definition(offset)?;
        let definition = read::definition(&mut self.reader, self.registry, self.limits)?;
        self.registry.define(id, definition, offset)
    }

    /// Takes the rest of the chunk, which the definition must fill, from what definitions may have.
    fn count_definition(&mut self, offset: u64) -> Result<(), Error> {
        let total = self
            .scan
            .definition_bytes
            .saturating_add(self.reader.left());
        self.scan.definition_bytes = total;
        if total > self.limits.definition_bytes {
            let (stated, allowed) = (wide(total), wide(self.limits.definition_bytes));
            return Err(Error::Limit {
                offset,
                limit: "definition_bytes",
                allowed,
                stated,
            });
        }
        Ok(())
    }

    fn count(&mut self, more: u64, offset: u64) -> Result<(), Error> {
        let (stated, allowed) = (
            self.scan.elements.saturating_add(more),
            wide(self.limits.elements),
        );
        if stated > allowed {
            return Err(Error::Limit {
                offset,
                limit: "elements",
                allowed,
                stated,
            });
        }
        self.scan.elements = stated;
        Ok(())
    }

    fn enter(&mut self, frame: Frame, offset: u64) -> Result<(), Error> {
        self.scan.stack.push(frame);
        let stated = wide(self.scan.stack.len());
        let allowed = wide(self.limits.depth.min(Limits::DEEPEST));
        if stated > allowed {
            return Err(Error::Limit {
                offset,
                limit: "depth",
                allowed,
                stated,
            });
        }
        Ok(())
    }

    fn expect_end(&self, expected: &str) -> Result<(), Error> {
        if self.reader.is_at_end() {
            return Ok(());
        }
        let got = format!("{} more bytes", self.reader.left());
        Err(Error::malformed(self.reader.offset(), expected, got))
    }

    /// Keeps the value's bytes of this message from where keeping began to `end`.
    fn keep_up_to(&mut self, end: usize) {
        let kept = &mut self.scan.kept;
        let piece = self.reader.slice(kept.from, end);
        let behind = wide(self.reader.position().saturating_sub(kept.from));
        let offset = self.reader.offset().saturating_sub(behind);
        kept.pieces.push(Piece {
            start: kept.bytes.len(),
            offset,
        });
        kept.bytes.extend_from_slice(piece);
    }

    fn finish(mut self) -> Result<Found, Error> {
        self.expect_end("the end of the message after a value")?;
        let kind = self.scan.root.take().unwrap_or(Kind::Interface);
        let joined = !self.scan.kept.pieces.is_empty();
        if joined {
            self.keep_up_to(self.reader.position());
        }
        let kept = mem::take(&mut self.scan.kept);
        self.scan.begun = false;
        self.scan.elements = 0;
        let body = if joined {
            Body::Joined(kept.bytes, kept.pieces)
        } else {
            Body::InMessage(kept.from)
        };
        Ok(Found { kind, body })
    }
}

/// Structures end with a mark of their own and stand alone as they are.
pub(crate) fn is_structure(registry: &Registry, kind: Kind, offset: u64) -> Result<bool, Error> {
    let Kind::Defined(slot) = kind else {
        return Ok(false);
    };
    Ok(matches!(
        registry.definition(slot, offset)?,
        Definition::Struct(_)
    ))
}

const fn is_scalar(kind: Kind) -> bool {
    !matches!(kind, Kind::Interface | Kind::Defined(_))
}
