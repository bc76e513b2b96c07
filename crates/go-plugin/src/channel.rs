//! The tokio shell of a session: one task moves bytes between the socket and the [`Session`], others read and write
//! the session's streams by [`Channel`].

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::yamux::{Event, ProtocolError, Session};

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// How long the host may leave unread what we send before the session is given up. Go's side gives up after 10 s.
const STALLED: Duration = Duration::from_secs(30);

/// Why a connection ended otherwise than by the host's leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("the connection to the host broke")]
    Io(#[from] io::Error),
    #[error("the host has read nothing for {} s", STALLED.as_secs())]
    Stalled,
}

/// One connection to a host.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    shared: Arc<Shared>,
    opened: mpsc::UnboundedSender<Channel>,
    /// What the socket has not taken yet.
    outgoing: BytesMut,
    /// When the socket last took something, or was last given something after a pause.
    progress: Instant,
}

/// One stream of the session.
#[derive(Debug)]
pub(crate) struct Channel {
    id: u32,
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the task that moves bytes.
    work: Notify,
}

#[derive(Debug, Default)]
struct State {
    session: Session,
    inboxes: BTreeMap<u32, Arc<Inbox>>,
    /// The connection is over: nothing comes, nothing goes.
    over: bool,
}

#[derive(Debug, Default)]
struct Inbox {
    content: Mutex<Content>,
    /// Wakes the reader.
    readable: Notify,
    /// Wakes the writer.
    writable: Notify,
}

#[derive(Debug, Default)]
struct Content {
    /// At most the stream's window.
    bytes: BytesMut,
    finished: bool,
}

/// What is behind these locks is whole at every moment, even where a holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection, and where the streams come out that the host opens.
    pub(crate) fn new(socket: S) -> (Self, mpsc::UnboundedReceiver<Channel>) {
        // Unbounded, but the session has a limit of streams.
        let (opened, streams) = mpsc::unbounded_channel();
        let (reader, writer) = tokio::io::split(socket);
        let connection = Self {
            reader,
            writer,
            shared: Arc::default(),
            opened,
            outgoing: BytesMut::new(),
            progress: Instant::now(),
        };
        (connection, streams)
    }

    /// Moves bytes until the host closes the connection.
    pub(crate) async fn run(mut self) -> Result<(), ConnectionError> {
        let ended = self.pump().await;
        self.shared.end();
        ended
    }

    async fn pump(&mut self) -> Result<(), ConnectionError> {
        let mut incoming = BytesMut::new();
        loop {
            let wants_input = self.collect_outgoing();
            let writes = !self.outgoing.is_empty();
            incoming.reserve(READ_BYTES);
            tokio::select! {
                read = self.reader.read_buf(&mut incoming), if wants_input => {
                    if read? == 0 {
                        return Ok(());
                    }
                    self.shared.receive(incoming.split().freeze(), &self.opened)?;
                }
                written = self.writer.write_buf(&mut self.outgoing), if writes => {
                    written?;
                    self.progress = Instant::now();
                }
                () = tokio::time::sleep_until(self.progress + STALLED), if writes => {
                    return Err(ConnectionError::Stalled);
                }
                () = self.shared.work.notified() => {}
            }
        }
    }

    /// Takes what the session wants to send once the socket took all there was. Tells whether to read.
    fn collect_outgoing(&mut self) -> bool {
        let mut state = lock(&self.shared.state);
        if self.outgoing.is_empty() && state.session.has_unsent() {
            self.outgoing = BytesMut::from(state.session.take_unsent().as_slice());
            self.progress = Instant::now();
            // There is room in the session again.
            state.wake_writers();
        }
        state.session.wants_input()
    }
}

impl Shared {
    fn receive(
        self: &Arc<Self>,
        bytes: bytes::Bytes,
        opened: &mpsc::UnboundedSender<Channel>,
    ) -> Result<(), ProtocolError> {
        let mut state = lock(&self.state);
        state.session.receive(bytes)?;
        while let Some(event) = state.session.next_event() {
            match event {
                Event::Opened(id) => {
                    let inbox = Arc::<Inbox>::default();
                    state.inboxes.insert(id, Arc::clone(&inbox));
                    // Nobody accepts any more once the plugin ends; the channel then closes its stream.
                    let _refused = opened.send(Channel {
                        id,
                        inbox,
                        shared: Arc::clone(self),
                    });
                }
                Event::Data(id, bytes) => state.deliver(id, |content| content.bytes.extend(bytes)),
                Event::Finished(id) | Event::Reset(id) => {
                    state.deliver(id, |content| content.finished = true);
                }
            }
        }
        // Credit may have come.
        state.wake_writers();
        Ok(())
    }

    fn end(&self) {
        let mut state = lock(&self.state);
        state.over = true;
        for inbox in state.inboxes.values() {
            lock(&inbox.content).finished = true;
            inbox.readable.notify_one();
            inbox.writable.notify_one();
        }
    }
}

impl State {
    fn deliver(&self, id: u32, change: impl FnOnce(&mut Content)) {
        if let Some(inbox) = self.inboxes.get(&id) {
            change(&mut lock(&inbox.content));
            inbox.readable.notify_one();
        }
    }

    fn wake_writers(&self) {
        self.inboxes
            .values()
            .for_each(|inbox| inbox.writable.notify_one());
    }
}

impl Channel {
    /// Appends what came to `out`, waiting until something does. False at the end of the stream.
    pub(crate) async fn read(&self, out: &mut Vec<u8>) -> bool {
        loop {
            {
                let mut content = lock(&self.inbox.content);
                if !content.bytes.is_empty() {
                    let bytes = std::mem::take(&mut content.bytes);
                    drop(content);
                    out.extend_from_slice(&bytes);
                    lock(&self.shared.state)
                        .session
                        .release(self.id, bytes.len());
                    self.shared.work.notify_one();
                    return true;
                }
                if content.finished {
                    return false;
                }
            }
            self.inbox.readable.notified().await;
        }
    }

    /// Sends all of `bytes`, waiting for credit. It is lost, as on any network, where the host is gone.
    pub(crate) async fn write(&self, mut bytes: &[u8]) {
        loop {
            {
                let mut state = lock(&self.shared.state);
                if state.over {
                    return;
                }
                let sent = state.session.send(self.id, bytes);
                bytes = bytes.get(sent..).unwrap_or_default();
            }
            self.shared.work.notify_one();
            if bytes.is_empty() {
                return;
            }
            self.inbox.writable.notified().await;
        }
    }
}

impl Channel {
    /// Ends the stream at once in both directions: what else the host sends on it is dropped.
    pub(crate) fn reset(&self) {
        lock(&self.shared.state).session.reset(self.id);
        self.shared.work.notify_one();
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.inboxes.remove(&self.id);
        state.session.finish(self.id);
        drop(state);
        self.shared.work.notify_one();
    }
}
