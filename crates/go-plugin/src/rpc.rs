//! Go's net/rpc over one stream: requests and replies are gob values, a header and a body each.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use serde::{Deserialize, Serialize};
use temper_gob::{Decoder, Encoder, Limits, Type};
use thiserror::Error;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use crate::{channel::Channel, hclog};

/// Calls of one stream under way at once. Beyond it the stream is not read, so the host waits; other streams go on.
const MOST_CALLS: usize = 256;

/// Longest message and most elements that a host may send. Kubernetes keeps no object above 1.5 MiB.
const LIMITS: (usize, usize) = (4 << 20, 1 << 17);

/// What a plugin offers under one name.
pub trait Service: Send + Sync + 'static {
    /// A request, decoded.
    type Call: Send + 'static;

    /// Reads the body of a call of `method` (with the name of the service, `Plugin.Run`) from the stream's decoder: exactly
    /// one value. None when more bytes are needed; then this is called again.
    ///
    /// It runs on the reader of the stream, so it must not wait for anything.
    fn decode(&self, method: &str, body: &mut Decoder) -> Result<Option<Self::Call>, DecodeError>;

    /// Carries out a call. May take long and may run beside others; a panic becomes an error reply.
    fn call(
        self: Arc<Self>,
        call: Self::Call,
    ) -> impl Future<Output = Result<Reply, String>> + Send;
}

/// Why a body could not be decoded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There is no such method. The body is still in the decoder.
    #[error("no such method")]
    UnknownMethod,
    /// The body is not what the method takes.
    #[error(transparent)]
    Body(#[from] temper_gob::Error),
}

type Write = Box<dyn FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), temper_gob::Error> + Send>;

/// The body of a reply, encoded when it is its turn: types are defined once per stream.
pub struct Reply(Write);

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

impl Reply {
    /// A reply of the given Go type, which must be the one that the host expects: a host that gets another one hears
    /// nothing more on the stream.
    pub fn new<T: Serialize + Send + 'static>(ty: Type, value: T) -> Self {
        Self::encoded_by(move |encoder, out| encoder.encode(&ty, &value, out))
    }

    /// A reply that knows how to encode itself.
    pub fn encoded_by(
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), temper_gob::Error> + Send + 'static,
    ) -> Self {
        Self(Box::new(write))
    }

    /// The empty struct, by which net/rpc says "done".
    pub fn empty() -> Self {
        Self::new(Type::structure("", []), Empty {})
    }
}

#[derive(Serialize)]
#[expect(
    clippy::empty_structs_with_brackets,
    reason = "a unit struct is not a struct to serde"
)]
struct Empty {}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Request {
    service_method: String,
    seq: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'a> {
    service_method: &'a str,
    seq: u64,
    error: &'a str,
}

/// Serves calls on a stream until the host ends it or sends what can't be read.
pub(crate) async fn serve<S: Service>(channel: Channel, service: Arc<S>, calls: Calls) {
    let channel = Arc::new(channel);
    let replies = Arc::new(Replies {
        channel: Arc::clone(&channel),
        encoder: Mutex::default(),
    });
    let mut reader = Reader::new(Arc::clone(&channel));
    let room = Arc::new(Semaphore::new(MOST_CALLS));
    let mut running = JoinSet::new();
    loop {
        match reader.call(&*service).await {
            Ok(None) => break,
            Ok(Some((request, call))) => {
                while running.try_join_next().is_some() {}
                let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                    break;
                };
                let answer = answer(
                    request,
                    call,
                    Arc::clone(&service),
                    Arc::clone(&replies),
                    calls.begin(),
                );
                running.spawn(async move {
                    answer.await;
                    drop::<OwnedSemaphorePermit>(place);
                });
            }
            Err(error) => {
                hclog::warn(
                    "closed a stream of the host that can't be read",
                    &[("why", &error)],
                );
                return channel.reset();
            }
        }
    }
    // The host may have ended its side and still read ours.
    while running.join_next().await.is_some() {}
}

async fn answer<S: Service>(
    request: Request,
    call: Result<S::Call, String>,
    service: Arc<S>,
    replies: Arc<Replies>,
    underway: Option<Underway>,
) {
    let result = match (call, &underway) {
        (Err(why), _) => Err(why),
        (Ok(_), None) => Err("the plugin is about to end".to_owned()),
        (Ok(call), Some(_)) => caught(service.call(call)).await,
    };
    replies.send(&request, result).await;
}

/// The result of a call, or that it panicked.
async fn caught(call: impl Future<Output = Result<Reply, String>>) -> Result<Reply, String> {
    let mut call = pin!(call);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(Err(describe(&*panic))),
        },
    )
    .await
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "the plugin has a bug, the call panicked: {}",
        text.unwrap_or("without a message")
    )
}

struct Reader {
    channel: Arc<Channel>,
    decoder: Decoder,
    buffer: Vec<u8>,
}

type Decoded<C> = Option<(Request, Result<C, String>)>;

impl Reader {
    fn new(channel: Arc<Channel>) -> Self {
        let (message_bytes, elements) = LIMITS;
        let decoder = Decoder::new(Limits {
            message_bytes,
            elements,
            ..Limits::default()
        });
        Self {
            channel,
            decoder,
            buffer: Vec::new(),
        }
    }

    /// The next call. None at the end of the stream.
    async fn call<S: Service>(
        &mut self,
        service: &S,
    ) -> Result<Decoded<S::Call>, temper_gob::Error> {
        let Some(request) = self.value(Decoder::next::<Request>).await? else {
            return Ok(None);
        };
        let method = request.service_method.clone();
        let body = self
            .value(|decoder| match service.decode(&method, decoder) {
                Ok(call) => Ok(call.map(Ok)),
                Err(DecodeError::UnknownMethod) => {
                    let unknown = format!("rpc: can't find method {method}");
                    Ok(decoder.skip()?.map(|()| Err(unknown)))
                }
                Err(DecodeError::Body(error)) if error.is_mismatch() => {
                    Ok(Some(Err(format!("{method}: {error}"))))
                }
                Err(DecodeError::Body(error)) => Err(error),
            })
            .await?;
        Ok(body.map(|body| (request, body)))
    }

    /// A value, reading until it is whole. None when the stream ends before.
    async fn value<T>(
        &mut self,
        mut decode: impl FnMut(&mut Decoder) -> Result<Option<T>, temper_gob::Error>,
    ) -> Result<Option<T>, temper_gob::Error> {
        loop {
            if let Some(value) = decode(&mut self.decoder)? {
                return Ok(Some(value));
            }
            self.buffer.clear();
            if !self.channel.read(&mut self.buffer).await {
                return Ok(None);
            }
            self.decoder.push(&self.buffer)?;
        }
    }
}

/// The way back: whole replies, one after another.
#[derive(Debug)]
struct Replies {
    channel: Arc<Channel>,
    encoder: Mutex<Encoder>,
}

impl Replies {
    async fn send(&self, request: &Request, result: Result<Reply, String>) {
        let mut encoder = self.encoder.lock().await;
        let bytes = match result.and_then(|reply| encode(&mut encoder, request, "", reply)) {
            Ok(bytes) => bytes,
            // Only our own reply can fail to encode, and the empty one can't.
            Err(why) => encode(&mut encoder, request, &why, Reply::empty()).unwrap_or_default(),
        };
        self.channel.write(&bytes).await;
    }
}

/// Header and body. The encoder is as it was where this fails, but for types that the host will never hear of: so the
/// body comes first.
fn encode(
    encoder: &mut Encoder,
    request: &Request,
    error: &str,
    reply: Reply,
) -> Result<Vec<u8>, String> {
    let Request {
        service_method,
        seq,
    } = request;
    let text = Type::string();
    let fields = [
        ("ServiceMethod", text.clone()),
        ("Seq", Type::uint()),
        ("Error", text),
    ];
    let header = Response {
        service_method,
        seq: *seq,
        error,
    };
    let mut bytes = Vec::new();
    encoder
        .encode(&Type::structure("Response", fields), &header, &mut bytes)
        .map_err(|error| format!("encoding the header of a reply: {error}"))?;
    (reply.0)(encoder, &mut bytes).map_err(|error| format!("encoding a reply: {error}"))?;
    Ok(bytes)
}

/// Counts the calls under way in the whole process, so that it can end after the last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<tokio::sync::watch::Sender<Count>>);

#[derive(Debug, Default)]
struct Count {
    underway: usize,
    ending: bool,
}

/// A call under way, until dropped.
#[derive(Debug)]
pub(crate) struct Underway(Calls);

impl Calls {
    /// Counts a call; None when no more are taken.
    pub(crate) fn begin(&self) -> Option<Underway> {
        let begun = self.0.send_if_modified(|count| {
            count.underway += usize::from(!count.ending);
            !count.ending
        });
        begun.then(|| Underway(self.clone()))
    }

    /// Takes no more calls and waits for those under way.
    pub(crate) async fn drain(&self) {
        self.0.send_modify(|count| count.ending = true);
        let mut count = self.0.subscribe();
        // The sender is ours, so it is not gone.
        let _closed = count.wait_for(|count| count.underway == 0).await;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| count.underway -= 1);
    }
}
