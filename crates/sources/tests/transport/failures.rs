//! What a client says of servers that fail, each a real socket on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

use std::time::Duration;

use jiff::Timestamp;
use temper_sources::{Matchers, Prometheus, PrometheusConfig, Query, Selector, SourceError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

fn query() -> Query {
    Query {
        errors: Some((
            Selector::parse("r_total").unwrap(),
            Selector::parse(r#"r_total{code="500"}"#).unwrap(),
        )),
        latency: None,
        canary: Matchers::arm(r#"hash="a""#).unwrap(),
        stable: Matchers::arm(r#"hash="b""#).unwrap(),
        strata: Vec::new(),
        pod: "pod".into(),
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(request).unwrap()
}

/// Answers every connection with the same bytes and closes it.
async fn server(reply: String) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            head(&mut stream).await;
            stream.write_all(reply.as_bytes()).await.unwrap();
            // Reads the rest of the request: closing over unread bytes would reset the connection.
            stream.shutdown().await.unwrap();
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
    });
    (address, task)
}

fn reply(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

async fn ask(config: PrometheusConfig) -> SourceError {
    let at = |s| Timestamp::from_second(s).unwrap();
    let prometheus = Prometheus::new(config).unwrap();
    prometheus
        .window(&query(), 1, at(1000), at(1030))
        .await
        .unwrap_err()
}

async fn answered(bytes: String) -> SourceError {
    let (address, task) = server(bytes).await;
    let error = ask(PrometheusConfig::at(address)).await;
    task.abort();
    error
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://me:hush@{}", listener.local_addr().unwrap());
    drop(listener);
    let error = ask(PrometheusConfig::at(address)).await;
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.is_transient());
    assert!(!format!("{error} {error:?}").contains("hush"));
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = PrometheusConfig::at(format!("http://{}", listener.local_addr().unwrap()));
    config.timeout = Duration::from_millis(50);
    let error = ask(config).await;
    assert!(matches!(error, SourceError::Timeout { .. }), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_cut_body_is_unreachable_and_not_read_as_data() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"status\":\"success\"";
    let error = answered(cut.into()).await;
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_reply_of_the_api_is_a_bad_reply() {
    let error = answered(reply("200 OK", "<html>")).await;
    assert!(matches!(error, SourceError::BadReply { .. }), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn warnings_never_become_data() {
    let body = r#"{"status":"success","warnings":["store down"],"data":{"resultType":"matrix","result":[]}}"#;
    let error = answered(reply("200 OK", body)).await;
    assert!(
        matches!(&error, SourceError::Partial { warning, .. } if warning.contains("store down")),
        "{error}"
    );
}

#[tokio::test]
async fn http_errors_keep_their_status_and_say_whether_to_wait() {
    for (status, transient) in [
        ("401 Unauthorized", false),
        ("403 Forbidden", false),
        ("400 Bad Request", false),
        ("404 Not Found", false),
        ("408 Request Timeout", true),
        ("422 Unprocessable Entity", true),
        ("429 Too Many Requests", true),
        ("502 Bad Gateway", true),
        ("503 Service Unavailable", true),
    ] {
        let error = answered(reply(status, "its own words")).await;
        let number = status.split(' ').next().unwrap();
        assert!(matches!(error, SourceError::Status { .. }), "{error}");
        assert!(error.to_string().contains(number), "{error}");
        assert!(error.to_string().contains("its own words"), "{error}");
        assert_eq!(error.is_transient(), transient, "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = target.local_addr().unwrap();
    let found = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{to}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let error = answered(found).await;
    assert!(
        matches!(error, SourceError::Status { status: 302, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn the_token_is_read_again_for_every_call_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = PrometheusConfig::at(format!("http://{}", listener.local_addr().unwrap()));
    config.bearer_token_file = Some(path.clone());
    for token in ["hush-1", "hush-2"] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let seen = head(&mut stream).await;
            stream
                .write_all(reply("401 Unauthorized", "").as_bytes())
                .await
                .unwrap();
            seen
        };
        let (error, seen) = tokio::join!(ask(config.clone()), serve);
        assert!(seen.contains(&format!("Bearer {token}\r\n")), "{seen}");
        assert!(!format!("{error} {error:?} {config:?}").contains("hush"));
    }
}
