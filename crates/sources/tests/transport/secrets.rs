//! What is sent to a server and never shown.

use std::sync::{Arc, Mutex};

use temper_sources::{Prometheus, PrometheusConfig, SourceError};

use crate::server::{Server, ask, reply};

/// A server that refuses whoever asks, in the words of the request, and keeps that.
async fn echo() -> (Server, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let server = Server::of(move |request| {
        kept.lock().unwrap().push(request.to_owned());
        let (head, _) = request.split_once("\r\n\r\n").unwrap();
        reply("401 Unauthorized", &format!("refused: {head}"))
    })
    .await;
    (server, seen)
}

fn assert_hidden(error: &SourceError, config: &PrometheusConfig) {
    let shown = format!("{error} {error:?} {config:?}");
    assert!(shown.contains("refused: "), "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn headers_and_the_user_of_an_address_are_sent_and_never_shown() {
    let (server, seen) = echo().await;
    let address = server.address.replace("http://", "http://me:hush-hush@");
    let mut config = PrometheusConfig::at(address);
    for (name, value) in [("X-Key", "hush-1234"), ("X-Auth", "Basic hush-5678")] {
        config.headers.insert(name.to_owned(), value.to_owned());
    }
    let error = ask(&Prometheus::new(config.clone()).unwrap())
        .await
        .unwrap_err();
    assert_hidden(&error, &config);
    let seen = seen.lock().unwrap().concat().to_lowercase();
    for sent in [
        "x-key: hush-1234",
        "x-auth: basic hush-5678",
        "authorization: basic ",
    ] {
        assert!(seen.contains(sent), "{seen}");
    }
}

#[tokio::test]
async fn the_token_is_read_again_for_every_call_and_never_shown() {
    let (server, seen) = echo().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let mut config = PrometheusConfig::at(&server.address);
    config.bearer_token_file = Some(path.clone());
    let prometheus = Prometheus::new(config.clone()).unwrap();
    for token in ["hush-1234", "hush-5678"] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        assert_hidden(&ask(&prometheus).await.unwrap_err(), &config);
        let request = seen.lock().unwrap().pop().unwrap();
        assert!(
            request.contains(&format!("Bearer {token}\r\n")),
            "{request}"
        );
    }
}
