//! A real Prometheus that has scraped a history with its own timestamps. Runs where `TEMPER_PROMETHEUS` names the binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of a test fail it"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use temper_sources::window::{Arm, Counts, Custom};
use temper_sources::{CustomQuery, Matchers, Prometheus, PrometheusConfig, Query, Selector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// The history lies this far back, so that it has ended when it is scraped.
const AGE_SECONDS: i64 = 600;

/// Several times what a Prometheus takes to its first scrape (5 s) on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A Prometheus that ends with the test; its log stays open, as it would die of a closed one.
struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Samples every 15 s from start - 60: canary pod c, born error series, reset; a stable pod s; pod late born at 45 s.
fn history(start: i64) -> String {
    let mut lines = vec!["# TYPE r_total counter".to_owned()];
    let mut push = |labels: &str, at: i64, v: i64| {
        lines.push(format!("r_total{{{labels}}} {v} {}", (start + at) * 1000));
    };
    for (i, at) in (0_i64..).zip((-60..=90).step_by(15)) {
        push(r#"hash="b",pod="s",code="200""#, at, 1000 + 10 * i);
        let count = if at < 45 { 100 + i } else { i };
        push(r#"hash="a",pod="c",code="200""#, at, count);
    }
    push(r#"hash="a",pod="c",code="500""#, 15, 3);
    push(r#"hash="a",pod="c",code="500""#, 30, 4);
    push(r#"hash="a",pod="late",code="200""#, 45, 7);
    push(r#"hash="a",pod="late",code="200""#, 60, 9);
    lines.join("\n") + "\n"
}

/// Starts Prometheus on a free port, which its log tells, and returns when it answers.
fn start(binary: &Path, dir: &Path, page: u16) -> (Server, String) {
    let config = format!(
        "scrape_configs: [{{job_name: t, scrape_interval: 1s, scrape_timeout: 1s, \
         static_configs: [{{targets: ['127.0.0.1:{page}']}}]}}]"
    );
    std::fs::write(dir.join("p.yml"), config).unwrap();
    let mut child = Command::new(binary)
        .arg(format!("--config.file={}", dir.join("p.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("d").display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let mut server = Server { child, log };
    let address = listening(&mut server.log);
    (server, address)
}

fn listening(log: &mut impl BufRead) -> String {
    let mut address = None;
    let mut seen = String::new();
    for line in log.lines().map(Result::unwrap) {
        if line.contains("Listening on") {
            address = line
                .split("address=")
                .nth(1)
                .and_then(|rest| rest.split_whitespace().next())
                .map(str::to_owned);
        }
        if line.contains("ready to receive web requests") {
            return address.unwrap_or_else(|| panic!("ready without an address:\n{seen}"));
        }
        seen = seen + &line + "\n";
    }
    panic!("Prometheus ended before it was ready:\n{seen}")
}

/// Serves the history to the first scrape. A target's scrapes follow each other, so the second one's arrival says
/// that the first is stored.
async fn scraped(listener: &TcpListener, page: &str) {
    for body in [page, ""] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        let reply = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
}

fn query() -> Query {
    Query {
        errors: Some((
            Selector::parse("r_total").unwrap(),
            Selector::parse(r#"r_total{code=~"5.."}"#).unwrap(),
        )),
        latency: None,
        custom: Vec::new(),
        canary: Matchers::arm(r#"hash="a""#).unwrap(),
        stable: Matchers::arm(r#"hash="b""#).unwrap(),
        strata: Vec::new(),
        pod: "pod".into(),
    }
}

#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn binary() -> Option<PathBuf> {
    let binary = std::env::var_os("TEMPER_PROMETHEUS").map(PathBuf::from);
    if binary.is_none() {
        eprintln!("skipped: TEMPER_PROMETHEUS names no Prometheus binary");
    }
    binary
}

#[tokio::test]
async fn a_real_server_gives_exact_counts_of_births_and_resets() {
    let Some(binary) = binary() else { return };
    let origin = Timestamp::now().as_second() - AGE_SECONDS;
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = listener.local_addr().unwrap().port();
    let (_server, address) = start(&binary, dir.path(), page);
    tokio::time::timeout(PATIENCE, scraped(&listener, &history(origin)))
        .await
        .unwrap();
    let prometheus = Prometheus::new(PrometheusConfig::at(format!("http://{address}"))).unwrap();
    let at = |s| Timestamp::from_second(origin + s).unwrap();
    let windows = prometheus
        .windows(&query(), 1, &[at(0), at(30), at(60), at(90)])
        .await
        .unwrap();
    let counts = |look: usize| -> Vec<_> {
        let cells = windows[look].content.as_ref().unwrap();
        cells
            .iter()
            .map(
                |(
                    k,
                    Counts {
                        requests, errors, ..
                    },
                )| (k.arm, k.pod.as_str(), *requests, *errors),
            )
            .collect()
    };
    assert_eq!(
        counts(0),
        [(Arm::Canary, "c", 6, 4), (Arm::Stable, "s", 20, 0)]
    );
    assert_eq!(
        counts(1),
        [
            (Arm::Canary, "c", 8, 0),
            (Arm::Canary, "late", 9, 0),
            (Arm::Stable, "s", 20, 0)
        ]
    );
    // The same windows asked alone are the same.
    for (look, from) in [(1, 0), (2, 30), (3, 60)] {
        let alone = prometheus
            .window(&query(), look, at(from), at(from + 30))
            .await;
        assert!(windows.contains(&alone.unwrap()), "look {look}");
    }
    let mut unknown = query();
    unknown.errors = Some((
        Selector::parse("nope").unwrap(),
        Selector::parse("nope").unwrap(),
    ));
    let missing = prometheus
        .window(&unknown, 1, at(0), at(30))
        .await
        .unwrap()
        .content
        .unwrap_err();
    assert!(missing.0.contains("no series is named nope"), "{missing:?}");
    let mut same = query();
    same.stable = same.canary.clone();
    assert!(
        prometheus
            .window(&same, 1, at(0), at(30))
            .await
            .unwrap_err()
            .to_string()
            .contains("both select")
    );
    assert_custom(&prometheus, at(0), at(30)).await;
}

/// Custom guards read the same counts under their own names, and the value of a query at the end of the interval.
async fn assert_custom(prometheus: &Prometheus, from: Timestamp, to: Timestamp) {
    let own = query();
    let (total, events) = own.errors.clone().unwrap();
    let share = CustomQuery::Events(total, events);
    let value = |query: &str| CustomQuery::Value(query.to_owned());
    let custom = Query {
        errors: None,
        custom: vec![
            ("share".to_owned(), share),
            ("largest".to_owned(), value("max(r_total)")),
            ("none".to_owned(), value("max(nope)")),
        ],
        ..own
    };
    let window = prometheus.window(&custom, 1, from, to).await.unwrap();
    let cells = window.content.unwrap();
    let found: Vec<_> = cells
        .iter()
        .flat_map(|(key, counts)| counts.custom.iter().map(|one| (key.pod.as_str(), one)))
        .map(|(pod, (name, custom))| (pod, name.as_str(), custom.clone()))
        .collect();
    let share = |total, events| Custom::Events { total, events };
    assert_eq!(
        found,
        [
            ("", "largest", Custom::Value(1060.0)),
            ("c", "share", share(6, 4)),
            ("s", "share", share(20, 0)),
        ]
    );
    let many = Query {
        custom: vec![("many".to_owned(), value("r_total"))],
        ..custom
    };
    let error = prometheus.window(&many, 1, from, to).await.unwrap_err();
    assert!(error.to_string().contains("aggregate them"), "{error}");
}
