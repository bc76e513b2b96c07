//! One direction of a stream: bytes in, values out.

use alloc::vec::Vec;
use core::mem;

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::de::{self, Source};
use crate::error::Error;
use crate::registry::Registry;
use crate::scan::{Body, Found, Scan};
use crate::wire::{Reader, wide};
use crate::{Limits, Value};

/// The most bytes that the length before a message takes.
const LENGTH_BYTES: usize = 9;

/// What an idle decoder keeps allocated for the next bytes.
const KEPT_CAPACITY: usize = 64 << 10;

/// Decodes one direction of a gob stream, without doing any input itself.
///
/// Bytes go in by [`push`](Decoder::push) as they arrive, in pieces of any size; values come out by
/// [`next`](Decoder::next), [`next_value`](Decoder::next_value) and [`skip`](Decoder::skip), which give
/// nothing as long as a value is not complete. The type definitions that the peer sends are kept for
/// the life of the decoder: use one for each direction of each stream.
///
/// ```
/// use temper_gob::{Decoder, Value};
///
/// let mut decoder = Decoder::default();
/// decoder.push(&[0x03, 0x04, 0x00])?;
/// assert_eq!(decoder.next::<i64>()?, None);
/// decoder.push(&[0x06])?;
/// assert_eq!(decoder.next::<i64>()?, Some(3));
/// # Ok::<(), temper_gob::Error>(())
/// ```
///
/// An error other than a [mismatch](Error::is_mismatch) ends the stream: the decoder gives the same error
/// from then on.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    registry: Registry,
    scan: Scan,
    input: Vec<u8>,
    /// How much of `input` is read.
    read: usize,
    /// Where the unread input starts in the stream.
    offset: u64,
    failed: Option<Error>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            registry: Registry::new(limits.types),
            scan: Scan::new(),
            input: Vec::new(),
            read: 0,
            offset: 0,
            failed: None,
        }
    }

    /// Takes in bytes that came from the peer.
    ///
    /// They are buffered until a value is complete, so take out what can be taken between pushes.
    /// Fails with [`Error::Limit`] as soon as a message says that it is longer than
    /// [`Limits::message_bytes`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.alive()?;
        self.discard_read();
        self.input.extend_from_slice(bytes);
        self.message().map(drop).map_err(|error| self.fail(error))
    }

    /// The next value, or nothing when more bytes are needed for it.
    ///
    /// It goes straight from the wire to `T`. Fields of structures are matched by name; those that `T`
    /// does not have are skipped, those that the peer left out are absent, which serde fills in by its
    /// `default` attribute. An interface around the value is looked through unless `T` is an
    /// [`Interface`](crate::Interface).
    #[expect(
        clippy::should_implement_trait,
        reason = "it is generic and may find nothing for now"
    )]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        self.alive()?;
        let found = self.find().map_err(|error| self.fail(error))?;
        found
            .map(|(message, found)| self.take(message, &found))
            .transpose()
    }

    /// The next value as a self-describing tree, or nothing when more bytes are needed for it.
    pub fn next_value(&mut self) -> Result<Option<Value>, Error> {
        self.next()
    }

    /// Reads and checks the next value and drops it; nothing when more bytes are needed for it.
    pub fn skip(&mut self) -> Result<Option<()>, Error> {
        Ok(self.next::<IgnoredAny>()?.map(|_| ()))
    }

    /// Whether all that came has been taken out: the stream can end here without loss.
    pub const fn is_idle(&self) -> bool {
        self.scan.is_idle() && self.read == self.input.len()
    }

    fn alive(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, error: Error) -> Error {
        self.input = Vec::new();
        self.read = 0;
        self.failed = Some(error.clone());
        error
    }

    /// Walks through messages up to the end of a value. Its last message is still in the input.
    fn find(&mut self) -> Result<Option<(Message, Found)>, Error> {
        while let Some(message) = self.message()? {
            let bytes = message.bytes(&self.input);
            let reader = Reader::new(bytes, message.offset);
            if let Some(found) = self
                .scan
                .message(reader, &mut self.registry, &self.limits)?
            {
                return Ok(Some((message, found)));
            }
            self.consume(message);
        }
        Ok(None)
    }

    fn take<T: DeserializeOwned>(&mut self, message: Message, found: &Found) -> Result<T, Error> {
        let bytes = message.bytes(&self.input);
        let source = match &found.body {
            Body::InMessage(from) => {
                let offset = message.offset.saturating_add(wide(*from));
                Source::whole(
                    bytes.get(*from..).unwrap_or_default(),
                    offset,
                    &self.registry,
                )
            }
            Body::Joined(bytes, pieces) => Source::joined(bytes, pieces, &self.registry),
        };
        let value = de::read(source, found.kind);
        self.consume(message);
        value
    }

    /// The next message, if it is all there. A length beyond the limit is an error even before.
    fn message(&self) -> Result<Option<Message>, Error> {
        let unread = self.input.get(self.read..).unwrap_or_default();
        let mut head = Reader::new(unread, self.offset);
        let Some(first) = unread.first() else {
            return Ok(None);
        };
        let needed = if *first < 0x80 {
            1
        } else {
            usize::from(first.wrapping_neg()).saturating_add(1)
        };
        if needed <= LENGTH_BYTES && unread.len() < needed {
            return Ok(None);
        }
        let stated = head.uint("the length of a message")?;
        let allowed = wide(self.limits.message_bytes).saturating_sub(self.scan.kept_bytes());
        if stated > allowed {
            let (offset, limit) = (self.offset, "message_bytes");
            return Err(Error::Limit {
                offset,
                limit,
                allowed,
                stated,
            });
        }
        if stated == 0 {
            return Err(Error::malformed(
                self.offset,
                "a message",
                "one of no bytes",
            ));
        }
        let length = usize::try_from(stated).unwrap_or(usize::MAX);
        let start = self.read.saturating_add(head.position());
        let message = Message {
            start,
            end: start.saturating_add(length),
            offset: head.offset(),
        };
        Ok((message.end <= self.input.len()).then_some(message))
    }

    fn consume(&mut self, message: Message) {
        let consumed = message.end.saturating_sub(self.read);
        self.offset = self.offset.saturating_add(wide(consumed));
        self.read = message.end;
    }

    fn discard_read(&mut self) {
        if self.read < self.input.len() {
            self.input.drain(..self.read);
        } else if self.input.capacity() > KEPT_CAPACITY {
            drop(mem::take(&mut self.input));
        } else {
            self.input.clear();
        }
        self.read = 0;
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

/// Where a whole message lies in the input.
#[derive(Clone, Copy, Debug)]
struct Message {
    start: usize,
    end: usize,
    /// Where its first byte lies in the stream.
    offset: u64,
}

impl Message {
    fn bytes(self, input: &[u8]) -> &[u8] {
        input.get(self.start..self.end).unwrap_or_default()
    }
}
