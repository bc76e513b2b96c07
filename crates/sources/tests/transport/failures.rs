//! Servers that fail.

use std::time::Duration;

use temper_sources::{PrometheusConfig, SourceError};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::server::{Server, refused, reply, request};

async fn answered(bytes: impl Into<String>) -> SourceError {
    let server = Server::answering(bytes).await;
    refused(PrometheusConfig::at(&server.address)).await
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = refused(PrometheusConfig::at(address)).await;
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn what_takes_longer_than_the_deadline_times_out() {
    for sent in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Type:",
        "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"status\":",
    ] {
        let server = Server::listening("http", async move |listener| {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            stream.write_all(sent.as_bytes()).await.unwrap();
            // There is no other request: it ends when the client leaves.
            request(&mut stream).await;
        })
        .await;
        let mut config = PrometheusConfig::at(&server.address);
        config.timeout = Duration::from_millis(50);
        let error = refused(config).await;
        assert!(
            matches!(error, SourceError::Timeout { .. }),
            "{sent}: {error}"
        );
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn a_body_is_refused_as_soon_as_it_is_too_large() {
    const MIB: usize = 1 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let endless = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut sent = 0;
        let spaces = vec![b' '; MIB];
        while stream.write_all(&spaces).await.is_ok() {
            sent += MIB;
        }
        sent
    };
    let (error, sent) = tokio::join!(refused(PrometheusConfig::at(address)), endless);
    let SourceError::TooLarge { limit_bytes, .. } = error else {
        unreachable!("{error}");
    };
    // What is above the limit stood in the buffers of both sockets.
    assert!(
        limit_bytes < sent && sent < limit_bytes + 32 * MIB,
        "{sent}"
    );
}

#[tokio::test]
async fn a_cut_body_is_unreachable_and_not_read_as_data() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"status\":\"success\"";
    let error = answered(cut).await;
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_reply_of_the_api_is_a_bad_reply() {
    let error = answered(reply("200 OK", "<html>")).await;
    assert!(matches!(error, SourceError::BadReply { .. }), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn http_errors_keep_their_status_and_say_whether_to_wait() {
    for (status, transient) in [
        ("400 Bad Request", false),
        ("401 Unauthorized", false),
        ("403 Forbidden", false),
        ("404 Not Found", false),
        ("408 Request Timeout", true),
        ("429 Too Many Requests", true),
        ("502 Bad Gateway", true),
        ("503 Service Unavailable", true),
    ] {
        let error = answered(reply(status, "its own words")).await;
        let number = status.split(' ').next().unwrap();
        assert!(matches!(error, SourceError::Status { .. }), "{error}");
        for said in [number, "its own words"] {
            assert!(error.to_string().contains(said), "{error}");
        }
        assert_eq!(error.is_transient(), transient, "{error}");
    }
}

#[tokio::test]
async fn errors_of_the_api_are_told_in_its_words() {
    for (status, kind, transient) in [
        ("400 Bad Request", "bad_data", false),
        ("422 Unprocessable Entity", "execution", true),
        ("503 Service Unavailable", "timeout", true),
    ] {
        let body = format!(r#"{{"status":"error","errorType":"{kind}","error":"query gave up"}}"#);
        let error = answered(reply(status, &body)).await;
        let said = format!("{kind}: query gave up");
        assert!(error.to_string().contains(&said), "{error}");
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
    assert!(error.to_string().contains("set `address`"), "{error}");
}
