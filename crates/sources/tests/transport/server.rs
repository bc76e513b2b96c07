//! A server of one test, and a question to ask it.

use jiff::Timestamp;
use temper_sources::window::Window;
use temper_sources::{Matchers, Prometheus, PrometheusConfig, Query, Selector, SourceError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server on a free port, which ends with the test.
pub(crate) struct Server {
    pub(crate) address: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers every request, which is given whole, and closes the connection.
    pub(crate) async fn of(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::listening("http", async move |listener| {
            while let Ok((stream, _)) = listener.accept().await {
                exchange(stream, &answer).await;
            }
        })
        .await
    }

    /// Answers every request with the same bytes.
    pub(crate) async fn answering(bytes: impl Into<String>) -> Self {
        let bytes = bytes.into();
        Self::of(move |_| bytes.clone()).await
    }

    /// Does with its listener what the caller wants.
    pub(crate) async fn listening<F>(scheme: &str, serve: impl FnOnce(TcpListener) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("{scheme}://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(serve(listener));
        Self { address, task }
    }
}

/// One request and its answer. Whether the client hears it is the client's to say.
pub(crate) async fn exchange<S>(mut stream: S, answer: impl Fn(&str) -> String)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(&mut stream).await;
    drop(stream.write_all(answer(&request).as_bytes()).await);
    linger(stream).await;
}

/// Ends a connection when the client has: closing over unread bytes would take back what was written.
pub(crate) async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    drop(stream.shutdown().await);
    drop(stream.read_to_end(&mut Vec::new()).await);
}

/// Head and body of a request, or what the client sent before it left.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !is_whole(&request) && stream.read_buf(&mut request).await.is_ok_and(|n| n > 0) {}
    String::from_utf8(request).unwrap()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .split_once("content-length: ")
        .map_or("0", |(_, rest)| rest);
    let length = length.lines().next().unwrap_or_default();
    body.len() >= length.parse().unwrap()
}

/// An answer with a body.
pub(crate) fn reply(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// The answer of a server that has no series.
pub(crate) fn nothing(request: &str) -> String {
    let kind = if request.contains("query=count") {
        "vector"
    } else {
        "matrix"
    };
    let body = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[]}}}}"#);
    reply("200 OK", &body)
}

/// Errors of pods that are told apart by `hash`.
pub(crate) fn query() -> Query {
    Query {
        errors: Some((
            Selector::parse("r_total").unwrap(),
            Selector::parse(r#"r_total{code="500"}"#).unwrap(),
        )),
        latency: None,
        custom: Vec::new(),
        canary: Matchers::arm(r#"hash="a""#).unwrap(),
        stable: Matchers::arm(r#"hash="b""#).unwrap(),
        strata: Vec::new(),
        pod: "pod".into(),
    }
}

/// Asks for one window.
pub(crate) async fn ask(prometheus: &Prometheus) -> Result<Window, SourceError> {
    let at = |s| Timestamp::from_second(s).unwrap();
    prometheus.window(&query(), 1, at(1000), at(1030)).await
}

/// What comes of asking a server that fails.
pub(crate) async fn refused(config: PrometheusConfig) -> SourceError {
    ask(&Prometheus::new(config).unwrap()).await.unwrap_err()
}
