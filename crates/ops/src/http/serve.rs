//! An HTTP/1.1 server for clients that nobody vouches for.
//!
//! Each connection carries one request: the probes of Litmus neither read nor close what they open, and a connection
//! that stays open would be one more of those for each probe. A client too many is told so: a probe counts a
//! connection that ends without an answer as an error of the experiment, not as a failed check.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

/// What one client, and all of them together, may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that are served at a time. The next are answered with 503.
    pub connections: usize,
    /// Time to send the head of a request.
    pub head: Duration,
    /// Time from the acceptance of a connection to the last byte of its answer.
    pub connection: Duration,
    /// Time for the connections that are open at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Some ten times the probes, scrapers and people of a large cluster, and a few megabytes.
            connections: 512,
            head: Duration::from_secs(5),
            // The largest page takes a scraper far less; who needs more does not read.
            connection: Duration::from_secs(30),
            // Well within the 30 s that Kubernetes grants.
            drain: Duration::from_secs(5),
        }
    }
}

/// Bytes of a request's head: ten times what a probe or a scraper sends, and the least that hyper accepts.
const HEAD_BYTES: usize = 8 * 1024;

/// Serves `router` on `listener` until `shutdown`, within the usual [`Limits`].
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    serve_within(Limits::default(), listener, router, shutdown).await;
}

/// Serves `router` on `listener` until `shutdown`; then lets open connections finish, for as long as `limits` say.
///
/// When the future is dropped, all its connections are closed.
pub async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let mut server = Server::new(limits, router);
    tokio::select! {
        () = server.accept_all(&listener) => {}
        () = shutdown => {}
    }
    // Nobody is accepted any more, and later clients are refused by the system.
    drop(listener);
    server.drain().await;
}

struct Server {
    limits: Limits,
    router: Router,
    served: Arc<Semaphore>,
    refused: Arc<Semaphore>,
    graceful: GracefulShutdown,
    connections: JoinSet<()>,
}

impl Server {
    fn new(limits: Limits, router: Router) -> Self {
        Self {
            limits,
            router,
            served: Arc::new(Semaphore::new(limits.connections)),
            refused: Arc::new(Semaphore::new(limits.connections)),
            graceful: GracefulShutdown::new(),
            connections: JoinSet::new(),
        }
    }

    /// Never ends by itself.
    async fn accept_all(&mut self, listener: &TcpListener) {
        /// Out of file descriptors, most likely: time for some to be closed.
        const RECOVERY: Duration = Duration::from_millis(100);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.accepted(stream),
                Err(error) => {
                    warn!(%error, "accepting a connection failed");
                    sleep(RECOVERY).await;
                }
            }
            while self.connections.try_join_next().is_some() {}
        }
    }

    fn accepted(&mut self, stream: TcpStream) {
        if let Ok(place) = Arc::clone(&self.served).try_acquire_owned() {
            let (limits, router) = (self.limits, self.router.clone());
            let watcher = self.graceful.watcher();
            self.connections.spawn(async move {
                answer(stream, router, limits, watcher).await;
                drop(place);
            });
        } else if let Ok(place) = Arc::clone(&self.refused).try_acquire_owned() {
            self.connections.spawn(async move {
                refuse(stream).await;
                drop(place);
            });
        }
        // Beyond even that, a connection is closed at once: answering would be the attack.
    }

    async fn drain(mut self) {
        if timeout(self.limits.drain, self.graceful.shutdown())
            .await
            .is_err()
        {
            let open = self.limits.connections - self.served.available_permits();
            warn!(open, "closing connections that did not end in time");
        }
        self.connections.shutdown().await;
    }
}

/// Serves the one request of a connection.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    router: Router,
    limits: Limits,
    watcher: Watcher,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(limits.connection, watcher.watch(connection)).await {
        Ok(Ok(())) => {}
        // Their fault, or the network's; and as often as they like, so nobody is woken.
        Ok(Err(error)) => debug!(%error, "a connection ended early"),
        Err(_) => debug!("a connection took too long"),
    }
}

const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 21\r\n\
    retry-after: 1\r\n\
    connection: close\r\n\
    \r\n\
    too many connections\n";

/// Says that there are too many and closes; what the client has sent is read first, as far as it comes soon, because
/// closing with unread bytes resets the connection, and the answer with it.
async fn refuse(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    const PATIENCE: Duration = Duration::from_secs(1);
    const MOST_BYTES: u64 = 64 * 1024;
    let refusing = async {
        stream.write_all(REFUSAL).await?;
        stream.shutdown().await?;
        copy(&mut stream.take(MOST_BYTES), &mut sink()).await
    };
    let outcome: Result<io::Result<u64>, _> = timeout(PATIENCE, refusing).await;
    debug!(?outcome, "refused a connection: too many are open");
}

#[cfg(test)]
mod tests;
