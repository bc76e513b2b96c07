use std::{future::pending, net::SocketAddr, sync::Arc};

use axum::routing::get;
use tokio::{
    io::{DuplexStream, duplex},
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::Instant,
};

use super::*;

const REQUEST: &[u8] = b"GET /livez HTTP/1.1\r\nhost: pod\r\n\r\n";
/// Longer than any test: a limit that must not be what ends something.
const FOREVER: Duration = Duration::from_hours(1);

fn patient() -> Limits {
    Limits {
        head: FOREVER,
        connection: FOREVER,
        drain: FOREVER,
        ..Limits::default()
    }
}

fn router() -> Router {
    /// More than a socket takes from a server whose client does not read.
    const LARGE: usize = 64 * 1024 * 1024;
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/large", get(async || "x".repeat(LARGE)))
}

/// A connection in memory that the server holds to its usual limits, and how long it lasts.
fn connection() -> (DuplexStream, JoinHandle<Duration>) {
    let (client, server) = duplex(HEAD_BYTES);
    let graceful = GracefulShutdown::new();
    let lasts = tokio::spawn(async move {
        let start = Instant::now();
        answer(server, router(), Limits::default(), graceful.watcher()).await;
        start.elapsed()
    });
    (client, lasts)
}

async fn started(limits: Limits) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve_within(limits, listener, router(), pending()));
    (address, server)
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// What the server says until it closes.
async fn answer_to(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_waited_for_as_long_as_the_limit_says() {
    let (mut client, lasts) = connection();
    client
        .write_all(b"GET /livez HTTP/1.1\r\nhost: ")
        .await
        .unwrap();
    assert_eq!(lasts.await.unwrap(), Limits::default().head);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_has_no_more_time() {
    let (mut client, lasts) = connection();
    let dripping = async {
        for byte in REQUEST.iter().cycle() {
            sleep(Duration::from_secs(1)).await;
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    let (lasted, ()) = tokio::join!(lasts, dripping);
    assert_eq!(lasted.unwrap(), Limits::default().head);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_a_large_page_is_let_go() {
    let (mut client, lasts) = connection();
    client
        .write_all(b"GET /large HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(lasts.await.unwrap(), Limits::default().connection);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (client, _) = connection();
    let (mut receive, mut send) = tokio::io::split(client);
    let head = [
        REQUEST.trim_ascii_end(),
        b"\r\nx: ",
        &[b'x'; 2 * HEAD_BYTES],
    ]
    .concat();
    let mut answer = String::new();
    // The server stops reading in the middle of it.
    let (_, read) = tokio::join!(send.write_all(&head), receive.read_to_string(&mut answer));
    read.unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_body_is_not_waited_for() {
    let (client, _) = connection();
    let request = b"POST /livez HTTP/1.1\r\ncontent-length: 1000000000\r\n\r\n";
    let answer = answer_to(client, request).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn what_is_not_http_is_answered_as_such() {
    let (client, _) = connection();
    let answer = answer_to(
        client,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn a_connection_carries_one_request() {
    let (client, _) = connection();
    let answer = answer_to(client, &REQUEST.repeat(2)).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
}

#[tokio::test]
async fn clients_too_many_are_told_so_and_the_next_ones_are_served() {
    const MOST: usize = 256;
    const TOO_MANY: usize = 88;
    let (address, _server) = started(Limits {
        connections: MOST,
        ..patient()
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..MOST {
        silent.push(connect(address).await);
    }
    for _ in 0..TOO_MANY {
        let answer = answer_to(connect(address).await, REQUEST).await;
        assert_eq!(answer.as_bytes(), REFUSAL);
    }

    drop(silent);
    let served = async || {
        answer_to(connect(address).await, REQUEST)
            .await
            .ends_with("ok\n")
    };
    while !served().await {}
}

#[tokio::test]
async fn clients_that_never_read_nor_close_take_no_place() {
    let limits = Limits {
        connections: 8,
        ..patient()
    };
    let (address, _server) = started(limits).await;
    let mut leaked = Vec::new();
    for _ in 0..200 {
        let mut client = connect(address).await;
        client.write_all(REQUEST).await.unwrap();
        client.readable().await.unwrap();
        leaked.push(client);
    }
    let answer = answer_to(connect(address).await, REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[test]
fn a_refusal_says_its_length() {
    let refusal = str::from_utf8(REFUSAL).unwrap();
    let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_server_ends() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
        async move || {
            entered.notify_one();
            release.notified().await;
            "done\n"
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { stopped.await.unwrap() };
    let router = Router::new().route("/livez", get(slow));
    let server = tokio::spawn(serve_within(patient(), listener, router, shutdown));

    let client = tokio::spawn(answer_to(connect(address).await, REQUEST));
    entered.notified().await;
    stop.send(()).unwrap();
    // Draining has begun when nobody listens any more.
    while TcpStream::connect(address).await.is_ok() {}
    release.notify_one();

    let answer = client.await.unwrap();
    assert!(answer.ends_with("done\n"), "{answer}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_client_that_stalls_holds_up_the_end_no_longer_than_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = connect(listener.local_addr().unwrap()).await;
    client.write_all(b"GET /livez").await.unwrap();
    let limits = Limits {
        drain: Duration::from_millis(10),
        ..patient()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { stopped.await.unwrap() };
    let server = tokio::spawn(serve_within(limits, listener, router(), shutdown));
    stop.send(()).unwrap();
    server.await.unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.ok();
    assert!(rest.is_empty(), "{rest:?}");
}
