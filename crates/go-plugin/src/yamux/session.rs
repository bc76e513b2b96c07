//! The session: which streams there are, what each may still send, and what is to be said to the peer.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use thiserror::Error;

use super::frame::{Flags, HEADER_BYTES, Header, Kind};

/// Credit that each side has on a new stream, in bytes: fixed by the protocol.
const INITIAL_WINDOW: u32 = 256 * 1024;

/// Credit is given back in portions of at least this, as Go's implementation does: one small frame for each piece of
/// payload would double the traffic.
const CREDIT_PORTION: u32 = INITIAL_WINDOW / 2;

/// Streams open at once; one more is reset. A host needs four, and each may hold a message in the making.
const MOST_STREAMS: usize = 32;

/// Longest payload that we put into one frame, so that streams take turns.
const MOST_PAYLOAD: usize = 16 * 1024;

/// Bytes for the peer beyond which we read nothing more from it. A peer that asks (pings, opens and resets streams)
/// and never reads then blocks itself instead of filling our memory.
const MOST_UNSENT: usize = 64 * 1024;

/// Bytes of streams among them. Less than the above, so that a long reply of ours does not keep us from reading pings.
const MOST_UNSENT_DATA: usize = MOST_UNSENT / 2;

/// A peer that does not speak the protocol. The session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The version in a frame's header is not 0.
    #[error("yamux: expected a frame of version 0, got version {0}: is the peer a go-plugin host?")]
    Version(u8),
    /// The kind in a frame's header is none of the four.
    #[error("yamux: expected a frame of kind 0 to 3, got kind {0}")]
    Kind(u8),
    /// A data frame is longer than the credit of its stream.
    #[error("yamux: stream {stream} has a credit of {credit} bytes, the peer sent {got}")]
    Window {
        /// The stream.
        stream: u32,
        /// What the peer may have sent.
        credit: u32,
        /// What it sent.
        got: u32,
    },
    /// The peer gave more credit than a 32-bit window holds.
    #[error("yamux: the peer's credit for stream {0} exceeds 4 GiB")]
    Credit(u32),
    /// A stream was opened under an id that is taken, or of the wrong parity.
    #[error("yamux: the peer opened stream {0}, which is open or not its to open")]
    StreamId(u32),
    /// The peer ended a stream twice.
    #[error("yamux: the peer ended stream {0} twice")]
    Finished(u32),
    /// The peer ended the session and said why.
    #[error("yamux: the peer ended the session with reason {0}")]
    GoAway(u32),
}

/// What the peer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// It opened a stream. It was acknowledged already.
    Opened(u32),
    /// It sent bytes. They count against its credit until [`Session::release`].
    Data(u32, Bytes),
    /// It sends no more on the stream.
    Finished(u32),
    /// The stream is gone.
    Reset(u32),
}

/// The accepting side of a session.
#[derive(Debug, Default)]
pub(crate) struct Session {
    streams: BTreeMap<u32, Stream>,
    head: Vec<u8>,
    /// A data frame whose payload is still arriving.
    payload: Option<Payload>,
    unsent: Vec<u8>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Payload {
    stream: u32,
    left: usize,
    flags: Flags,
}

#[derive(Debug)]
struct Stream {
    /// What the peer may still send.
    receive_credit: u32,
    /// What was consumed but not given back as credit yet.
    consumed: u32,
    /// What we may still send.
    send_credit: u32,
    peer_finished: bool,
    we_finished: bool,
}

impl Session {
    /// Whether the peer should be read from. Not while it leaves what we told it unread.
    pub(crate) fn wants_input(&self) -> bool {
        self.unsent.len() < MOST_UNSENT
    }

    /// Takes in bytes of the peer. Afterwards there may be events and bytes to send. Stop calling it after an error.
    pub(crate) fn receive(&mut self, mut input: Bytes) -> Result<(), ProtocolError> {
        while !input.is_empty() {
            match self.payload.take() {
                Some(payload) => self.receive_payload(payload, &mut input),
                None => self.receive_head(&mut input)?,
            }
        }
        Ok(())
    }

    /// What the peer did, in its order.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether there are bytes for the peer.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes out the bytes for the peer.
    pub(crate) fn take_unsent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unsent)
    }

    /// Sends as much of `bytes` on a stream as its credit and the room for unsent bytes allow. Gives how much that was.
    /// All of it is dropped where the stream is gone: nobody is left to read it.
    pub(crate) fn send(&mut self, stream: u32, bytes: &[u8]) -> usize {
        let room = MOST_UNSENT_DATA.saturating_sub(self.unsent.len());
        let Some(state) = self
            .streams
            .get_mut(&stream)
            .filter(|state| !state.we_finished)
        else {
            return bytes.len();
        };
        let credit = usize::try_from(state.send_credit).unwrap_or(usize::MAX);
        let (now, _later) = bytes.split_at(bytes.len().min(credit).min(room));
        for piece in now.chunks(MOST_PAYLOAD) {
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            state.send_credit = state.send_credit.saturating_sub(length);
            let header = Header {
                kind: Kind::Data,
                flags: Flags::default(),
                stream,
                length,
            };
            self.unsent.extend(header.encode());
            self.unsent.extend_from_slice(piece);
        }
        now.len()
    }

    /// Says that we send no more on a stream.
    pub(crate) fn finish(&mut self, stream: u32) {
        let Some(state) = self.streams.get_mut(&stream) else {
            return;
        };
        if !std::mem::replace(&mut state.we_finished, true) {
            self.say(Kind::WindowUpdate, Flags::FIN, stream, 0);
        }
        self.forget_finished(stream);
    }

    /// Ends a stream in both directions.
    pub(crate) fn reset(&mut self, stream: u32) {
        if self.streams.remove(&stream).is_some() {
            self.say(Kind::WindowUpdate, Flags::RST, stream, 0);
        }
    }

    /// `count` bytes of a stream were consumed: the peer may send as many more.
    pub(crate) fn release(&mut self, stream: u32, count: usize) {
        let Some(state) = self
            .streams
            .get_mut(&stream)
            .filter(|state| !state.peer_finished)
        else {
            return;
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        state.consumed = state.consumed.saturating_add(count);
        if state.consumed >= CREDIT_PORTION {
            let credit = std::mem::take(&mut state.consumed);
            state.receive_credit = state.receive_credit.saturating_add(credit);
            self.say(Kind::WindowUpdate, Flags::default(), stream, credit);
        }
    }

    fn receive_head(&mut self, input: &mut Bytes) -> Result<(), ProtocolError> {
        let missing = HEADER_BYTES - self.head.len();
        self.head
            .extend_from_slice(&input.split_to(missing.min(input.len())));
        let Ok(bytes) = <[u8; HEADER_BYTES]>::try_from(self.head.as_slice()) else {
            return Ok(());
        };
        self.head.clear();
        self.frame(Header::decode(bytes)?)
    }

    fn frame(&mut self, header: Header) -> Result<(), ProtocolError> {
        match header.kind {
            Kind::Ping => self.ping(header),
            Kind::GoAway => return Err(ProtocolError::GoAway(header.length)),
            Kind::WindowUpdate => {
                self.open(header)?;
                self.credit(header)?;
                self.close(header.stream, header.flags)?;
            }
            Kind::Data => {
                self.open(header)?;
                self.data(header)?;
            }
        }
        Ok(())
    }

    /// Answers at once. An answer to a ping of ours can't be: we send none.
    fn ping(&mut self, header: Header) {
        if header.flags.has(Flags::SYN) {
            self.say(Kind::Ping, Flags::ACK, 0, header.length);
        }
    }

    /// Opens a stream if the frame asks for it, and acknowledges it once and at once: a host gives up the whole session
    /// for one stream that is not acknowledged in time.
    fn open(&mut self, header: Header) -> Result<(), ProtocolError> {
        if !header.flags.has(Flags::SYN) {
            return Ok(());
        }
        let stream = header.stream;
        // The opening side of the connection has the odd ids.
        if stream.is_multiple_of(2) || self.streams.contains_key(&stream) {
            return Err(ProtocolError::StreamId(stream));
        }
        if self.streams.len() >= MOST_STREAMS {
            self.say(Kind::WindowUpdate, Flags::RST, stream, 0);
            return Ok(());
        }
        self.streams.insert(stream, Stream::new());
        self.events.push_back(Event::Opened(stream));
        self.say(Kind::WindowUpdate, Flags::ACK, stream, 0);
        Ok(())
    }

    fn credit(&mut self, header: Header) -> Result<(), ProtocolError> {
        // Credit for a stream that we forgot was under way when it ended.
        let Some(state) = self.streams.get_mut(&header.stream) else {
            return Ok(());
        };
        let credit = state.send_credit.checked_add(header.length);
        state.send_credit = credit.ok_or(ProtocolError::Credit(header.stream))?;
        Ok(())
    }

    fn data(&mut self, header: Header) -> Result<(), ProtocolError> {
        let Header {
            stream,
            length,
            flags,
            ..
        } = header;
        if let Some(state) = self.streams.get_mut(&stream) {
            let credit = state.receive_credit;
            let left = credit.checked_sub(length);
            state.receive_credit = left.ok_or(ProtocolError::Window {
                stream,
                credit,
                got: length,
            })?;
        } else if length > INITIAL_WINDOW {
            // The stream is gone and what comes is dropped, but never more than it could have held.
            return Err(ProtocolError::Window {
                stream,
                credit: INITIAL_WINDOW,
                got: length,
            });
        }
        let left = usize::try_from(length).unwrap_or(usize::MAX);
        if left == 0 {
            return self.close(stream, flags);
        }
        self.check_close(stream, flags)?;
        self.payload = Some(Payload {
            stream,
            left,
            flags,
        });
        Ok(())
    }

    fn receive_payload(&mut self, mut payload: Payload, input: &mut Bytes) {
        let piece = input.split_to(payload.left.min(input.len()));
        payload.left -= piece.len();
        let open = self
            .streams
            .get(&payload.stream)
            .is_some_and(|state| !state.peer_finished);
        if open {
            self.events.push_back(Event::Data(payload.stream, piece));
        }
        if payload.left > 0 {
            self.payload = Some(payload);
        } else {
            self.closed(payload.stream, payload.flags);
        }
    }

    fn close(&mut self, stream: u32, flags: Flags) -> Result<(), ProtocolError> {
        self.check_close(stream, flags)?;
        self.closed(stream, flags);
        Ok(())
    }

    fn check_close(&self, stream: u32, flags: Flags) -> Result<(), ProtocolError> {
        let again = self
            .streams
            .get(&stream)
            .is_some_and(|state| state.peer_finished);
        if again && flags.has(Flags::FIN) {
            Err(ProtocolError::Finished(stream))
        } else {
            Ok(())
        }
    }

    fn closed(&mut self, stream: u32, flags: Flags) {
        if flags.has(Flags::RST) {
            if self.streams.remove(&stream).is_some() {
                self.events.push_back(Event::Reset(stream));
            }
        } else if flags.has(Flags::FIN)
            && let Some(state) = self.streams.get_mut(&stream)
        {
            state.peer_finished = true;
            self.events.push_back(Event::Finished(stream));
            self.forget_finished(stream);
        }
    }

    fn forget_finished(&mut self, stream: u32) {
        if self
            .streams
            .get(&stream)
            .is_some_and(|state| state.peer_finished && state.we_finished)
        {
            self.streams.remove(&stream);
        }
    }

    fn say(&mut self, kind: Kind, flags: Flags, stream: u32, length: u32) {
        self.unsent.extend(
            Header {
                kind,
                flags,
                stream,
                length,
            }
            .encode(),
        );
    }
}

impl Stream {
    const fn new() -> Self {
        Self {
            receive_credit: INITIAL_WINDOW,
            consumed: 0,
            send_credit: INITIAL_WINDOW,
            peer_finished: false,
            we_finished: false,
        }
    }
}
