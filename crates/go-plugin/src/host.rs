//! What a host finds on its streams: the control service on the first, two for output that stay silent, then one for each
//! plugin that it had dispensed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use temper_gob::{Decoder, Type};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};

use crate::{
    channel::Channel,
    hclog,
    rpc::{self, Calls, DecodeError, Reply, Service},
};

/// How long a broker's stream may take to say which plugin it is for. Go's side waits as long.
const BROKER_PATIENCE: Duration = Duration::from_secs(5);

/// How long an end waits for calls under way. The host waits without limit, but its pod does not: Kubernetes kills it 30 s
/// after it was told to end.
pub(crate) const DRAIN_PATIENCE: Duration = Duration::from_secs(25);

/// What the streams of one host have in common.
#[derive(Debug)]
pub(crate) struct Host<S> {
    name: &'static str,
    service: Arc<S>,
    dispensed: Arc<Mutex<Dispensed>>,
    calls: Calls,
    quit: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Dispensed {
    last: u32,
    waiting: BTreeSet<u32>,
}

impl<S: Service> Host<S> {
    pub(crate) fn new(
        name: &'static str,
        service: Arc<S>,
        calls: Calls,
        quit: Arc<Notify>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            service,
            dispensed: Arc::default(),
            calls,
            quit,
        })
    }

    /// Serves streams as they are opened, until the connection ends.
    pub(crate) async fn serve(self: Arc<Self>, mut streams: mpsc::UnboundedReceiver<Channel>) {
        let mut tasks = JoinSet::new();
        let mut number = 0_u64;
        while let Some(channel) = streams.recv().await {
            while tasks.try_join_next().is_some() {}
            number += 1;
            match number {
                1 => tasks.spawn(self.control(channel)),
                2 | 3 => tasks.spawn(ignore(channel)),
                _ => tasks.spawn(Arc::clone(&self).broker(channel)),
            };
        }
        // The connection is gone, and with it who wanted the answers: calls under way end here.
    }

    fn control(self: &Arc<Self>, channel: Channel) -> impl Future<Output = ()> + use<S> {
        let control = Control(Arc::clone(self));
        // Control calls are not counted: Quit waits for all that are.
        rpc::serve(channel, Arc::new(control), Calls::default())
    }

    /// A stream says which dispensed plugin it is for; then it is that plugin's.
    async fn broker(self: Arc<Self>, channel: Channel) {
        let Ok(Some((id, surplus))) = tokio::time::timeout(BROKER_PATIENCE, id(&channel)).await
        else {
            hclog::warn(
                "closed a stream that did not say which plugin it is for",
                &[],
            );
            return channel.reset();
        };
        let known = self.dispensed().waiting.remove(&id);
        if !known || !surplus.is_empty() {
            hclog::warn(
                "closed a stream for a plugin that was not dispensed",
                &[("id", &id)],
            );
            return channel.reset();
        }
        channel.write(&id.to_le_bytes()).await;
        rpc::serve(channel, Arc::clone(&self.service), self.calls.clone()).await;
    }

    fn dispensed(&self) -> std::sync::MutexGuard<'_, Dispensed> {
        self.dispensed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn dispense(&self, name: &str) -> Result<Reply, String> {
        if name != self.name {
            return Err(format!(
                "unknown plugin type: {name}; this one is {}",
                self.name
            ));
        }
        let mut dispensed = self.dispensed();
        dispensed.last = dispensed.last.wrapping_add(1);
        let id = dispensed.last;
        dispensed.waiting.insert(id);
        Ok(Reply::new(Type::uint(), id))
    }

    /// Answers when all calls were answered, so that the host loses none of them.
    async fn quit(&self) -> Result<Reply, String> {
        if tokio::time::timeout(DRAIN_PATIENCE, self.calls.drain())
            .await
            .is_err()
        {
            hclog::warn(
                "ending with calls under way",
                &[("after", &format_args!("{DRAIN_PATIENCE:?}"))],
            );
        }
        self.quit.notify_one();
        Ok(Reply::empty())
    }
}

/// The four bytes that open a broker's stream, and what came with them: nothing, because the host waits for our answer.
async fn id(channel: &Channel) -> Option<(u32, Vec<u8>)> {
    let mut bytes = Vec::new();
    while bytes.len() < size_of::<u32>() {
        if !channel.read(&mut bytes).await {
            return None;
        }
    }
    let surplus = bytes.split_off(size_of::<u32>());
    Some((u32::from_le_bytes(bytes.try_into().ok()?), surplus))
}

/// The streams for standard output and error, on which a plugin of ours says nothing.
async fn ignore(channel: Channel) {
    let mut bytes = Vec::new();
    while channel.read(&mut bytes).await {
        bytes.clear();
    }
}

struct Control<S>(Arc<Host<S>>);

enum ControlCall {
    Ping,
    Quit,
    Dispense(String),
}

impl<S: Service> Service for Control<S> {
    type Call = ControlCall;

    fn decode(&self, method: &str, body: &mut Decoder) -> Result<Option<ControlCall>, DecodeError> {
        Ok(match method {
            "Control.Ping" => body.skip()?.map(|()| ControlCall::Ping),
            "Control.Quit" => body.skip()?.map(|()| ControlCall::Quit),
            "Dispenser.Dispense" => body.next()?.map(ControlCall::Dispense),
            _ => return Err(DecodeError::UnknownMethod),
        })
    }

    async fn call(self: Arc<Self>, call: ControlCall) -> Result<Reply, String> {
        match call {
            ControlCall::Ping => Ok(Reply::empty()),
            ControlCall::Quit => self.0.quit().await,
            ControlCall::Dispense(name) => self.0.dispense(&name),
        }
    }
}
