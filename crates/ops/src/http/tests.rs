use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;

/// The pages on a loopback port until the test ends, with one of the caller's beside them.
async fn served(ops: &Ops) -> (std::net::SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = ops
        .router()
        .merge(Router::new().route("/incidents", get(async || "none\n")));
    let server = tokio::spawn(serve(listener, router, std::future::pending()));
    (address, server)
}

/// The whole answer, which ends because the server closes.
async fn get_page(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: pod\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn ops(needs: &[&'static str]) -> Ops {
    Ops {
        ready: Readiness::of(needs.iter().copied()),
        metrics: Arc::new(Metrics::new("program", "1.0.0")),
    }
}

#[tokio::test]
async fn a_program_that_is_not_ready_lives_all_the_same() {
    let (address, _server) = served(&ops(&["kafka"])).await;
    let answer = get_page(address, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[tokio::test]
async fn readiness_names_each_reason_until_none_is_left() {
    let ops = ops(&["kubernetes", "kafka"]);
    let (address, _server) = served(&ops).await;
    ops.ready.set("kafka", Err("no broker\nanswers"));

    let answer = get_page(address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let body = "\r\n\r\nkafka: no broker answers\nkubernetes: not seen yet\n";
    assert!(answer.ends_with(body), "{answer}");

    ops.ready.set("kafka", Ok(()));
    assert!(!ops.ready.is_ready());
    ops.ready.set("kubernetes", Ok(()));
    assert!(ops.ready.is_ready());
    let answer = get_page(address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn metrics_come_with_the_type_that_prometheus_asks_for() {
    let (address, _server) = served(&ops(&[])).await;
    let answer = get_page(address, "/metrics").await;
    let content_type = format!("content-type: {}\r\n", metrics::CONTENT_TYPE);
    assert!(answer.contains(&content_type), "{answer}");
    assert!(answer.contains("temper_build_info{"), "{answer}");
}

#[tokio::test]
async fn every_answer_has_its_length_and_ends_the_connection() {
    let (address, _server) = served(&ops(&["kafka"])).await;
    for path in ["/livez", "/readyz", "/metrics", "/incidents", "/nowhere"] {
        let answer = get_page(address, path).await;
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("content-length: "), "{answer}");
    }
}
