//! The life of a plugin's process, from the handshake to its end.

use std::{
    io::{self, Write as _},
    ops::RangeInclusive,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

use crate::{
    channel::{Connection, ConnectionError},
    handshake::Handshake,
    hclog,
    host::{DRAIN_PATIENCE, Host},
    rpc::{Calls, Service},
    socket::{Socket, Stream},
    yamux::ProtocolError,
};

/// How long a host may take to connect: it does so as soon as it has read the handshake.
const HOST_PATIENCE: Duration = Duration::from_mins(1);

/// How long the last replies may take to leave and the host to close the connection. It kills us 2 s after its Quit is
/// answered.
const FAREWELL: Duration = Duration::from_secs(1);

/// The plugin: what it offers, and how a host reaches it.
#[derive(Debug)]
pub struct Plugin<S> {
    handshake: Handshake,
    name: &'static str,
    service: S,
    transport: Transport,
}

#[derive(Debug, Clone)]
enum Transport {
    Unix,
    Tcp(RangeInclusive<u16>),
}

/// Why the process may end now. None of them is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The host asked for it.
    Quit,
    /// The host closed the connection, or is gone.
    HostGone,
    /// The process was asked to end by SIGTERM.
    Terminated,
    /// No host connected within a minute.
    NoHost,
}

/// What keeps a plugin from serving its host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No socket could be opened.
    #[error(
        "listening for the host at {at}; point TMPDIR to a short path of a folder that can be written"
    )]
    Listen {
        /// The folder or the ports tried.
        at: String,
        /// Why not.
        source: io::Error,
    },
    /// Standard output is closed, so nobody can be told where we listen.
    #[error("telling the host where to connect: {0}")]
    Handshake(io::Error),
    /// The process can't take signals.
    #[error("waiting for signals: {0}")]
    Signals(io::Error),
    /// The socket failed.
    #[error("waiting for the host: {0}")]
    Accept(io::Error),
    /// The peer does not speak the protocol.
    #[error("the host broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    /// The connection failed, or the host no longer reads from it.
    #[error("serving the host: {0}")]
    Connection(String),
}

impl<S: Service> Plugin<S> {
    /// A plugin that offers `service` under `name`, on a unix socket.
    pub const fn new(handshake: Handshake, name: &'static str, service: S) -> Self {
        Self {
            handshake,
            name,
            service,
            transport: Transport::Unix,
        }
    }

    /// Listens on the first free port of this range of the loopback interface instead.
    #[must_use]
    pub fn on_tcp(mut self, ports: RangeInclusive<u16>) -> Self {
        self.transport = Transport::Tcp(ports);
        self
    }

    /// Serves one host, from the handshake on standard output to the end. The process should end when this does.
    pub async fn run(self) -> Result<Ending, Error> {
        let mut signals = Signals::new()?;
        let socket = match self.transport {
            Transport::Unix => Socket::unix(&temporary_folder())?,
            Transport::Tcp(ports) => Socket::tcp(ports).await?,
        };
        announce(&self.handshake.line(socket.address())).map_err(Error::Handshake)?;
        let connection = tokio::select! {
            accepted = tokio::time::timeout(HOST_PATIENCE, socket.accept()) => match accepted {
                Ok(connection) => connection.map_err(Error::Accept)?,
                Err(_elapsed) => return Ok(Ending::NoHost),
            },
            () = signals.terminated() => return Ok(Ending::Terminated),
        };
        let serving = serve(connection, self.name, self.service, signals);
        tokio::select! {
            ended = serving => ended,
            never = refuse(&socket) => never,
        }
    }
}

/// Where temporary files go. An empty TMPDIR is none: a relative path would be one of the host's working directory.
fn temporary_folder() -> PathBuf {
    let folder = std::env::temp_dir();
    if folder.as_os_str().is_empty() {
        PathBuf::from("/tmp")
    } else {
        folder
    }
}

fn announce(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}

/// A plugin serves the host that started it and nobody else.
async fn refuse(socket: &Socket) -> Result<Ending, Error> {
    loop {
        drop(socket.accept().await.map_err(Error::Accept)?);
        hclog::warn("closed a second connection: a plugin has one host", &[]);
    }
}

async fn serve<S: Service>(
    socket: Box<dyn Stream>,
    name: &'static str,
    service: S,
    mut signals: Signals,
) -> Result<Ending, Error> {
    let (connection, streams) = Connection::new(socket);
    let calls = Calls::default();
    let quit = Arc::new(Notify::new());
    let host = Host::new(name, Arc::new(service), calls.clone(), Arc::clone(&quit));
    let mut connection = std::pin::pin!(connection.run());
    let mut streams = std::pin::pin!(host.serve(streams));
    let asked = tokio::select! {
        ended = &mut connection => return over(ended),
        () = &mut streams => return Ok(Ending::HostGone),
        () = quit.notified() => Ending::Quit,
        () = terminated(&mut signals, &calls) => Ending::Terminated,
    };
    tokio::select! {
        _ended = &mut connection => {}
        () = &mut streams => {}
        () = tokio::time::sleep(FAREWELL) => {}
    }
    Ok(asked)
}

fn over(ended: Result<(), ConnectionError>) -> Result<Ending, Error> {
    match ended {
        Ok(()) => Ok(Ending::HostGone),
        Err(ConnectionError::Protocol(error)) => Err(Error::Protocol(error)),
        // A host that was killed: to the socket that may look like an error.
        Err(ConnectionError::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
            Ok(Ending::HostGone)
        }
        Err(ConnectionError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Ending::HostGone)
        }
        Err(error) => Err(Error::Connection(error.to_string())),
    }
}

async fn terminated(signals: &mut Signals, calls: &Calls) {
    signals.terminated().await;
    tokio::select! {
        drained = tokio::time::timeout(DRAIN_PATIENCE, calls.drain()) => {
            if drained.is_err() {
                hclog::warn("ending with calls under way", &[("after", &format_args!("{DRAIN_PATIENCE:?}"))]);
            }
        }
        // Asked twice, we do not wait.
        () = signals.terminated() => {}
    }
}

/// SIGTERM drains. SIGINT is for the host: a terminal sends it to all processes of the group.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    _interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let take = |kind| signal(kind).map_err(Error::Signals);
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            _interrupt: take(SignalKind::interrupt())?,
        })
    }

    async fn terminated(&mut self) {
        if self.terminate.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
