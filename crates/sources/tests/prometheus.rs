//! A real Prometheus over a backfilled history. Runs where `TEMPER_PROMETHEUS` names the binary, with promtool beside it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use temper_sources::window::{Arm, Counts};
use temper_sources::{Matchers, Prometheus, PrometheusConfig, Query, Selector};

/// Backfilled far enough in the past to be a closed block, and divisible by every step.
const START: i64 = 1_700_000_400;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Samples every 15 s from START - 60: canary pod c, born error series, reset; a stable pod s; pod late born at 45 s.
fn history() -> String {
    let mut lines = vec!["# TYPE r counter".to_owned()];
    let mut push = |labels: &str, at: i64, v: i64| {
        lines.push(format!("r_total{{{labels}}} {v} {}", START + at))
    };
    for (i, at) in (-60..=90).step_by(15).enumerate() {
        let i = i as i64;
        push(r#"hash="b",pod="s",code="200""#, at, 1000 + 10 * i);
        push(
            r#"hash="a",pod="c",code="200""#,
            at,
            if at < 45 { 100 + i } else { i },
        );
    }
    push(r#"hash="a",pod="c",code="500""#, 15, 3);
    push(r#"hash="a",pod="c",code="500""#, 30, 4);
    push(r#"hash="a",pod="late",code="200""#, 45, 7);
    push(r#"hash="a",pod="late",code="200""#, 60, 9);
    lines.push("# EOF\n".to_owned());
    lines.join("\n")
}

fn start(binary: &Path, dir: &Path) -> (Server, u16) {
    let page = dir.join("history");
    std::fs::File::create(&page)
        .unwrap()
        .write_all(history().as_bytes())
        .unwrap();
    let made = Command::new(binary.with_file_name("promtool"))
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .arg(&page)
        .arg(dir.join("data"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    std::fs::write(dir.join("p.yml"), "{}").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = Command::new(binary)
        .arg(format!("--config.file={}", dir.join("p.yml").display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("data").display()
        ))
        .arg("--storage.tsdb.retention.time=100y")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Server(child), port)
}

fn query() -> Query {
    Query {
        errors: Some((
            Selector::parse("r_total").unwrap(),
            Selector::parse(r#"r_total{code=~"5.."}"#).unwrap(),
        )),
        latency: None,
        canary: Matchers::arm(r#"hash="a""#).unwrap(),
        stable: Matchers::arm(r#"hash="b""#).unwrap(),
        strata: Vec::new(),
        pod: "pod".into(),
    }
}

#[tokio::test]
async fn a_real_server_gives_exact_counts_of_births_and_resets() {
    let Some(binary) = std::env::var_os("TEMPER_PROMETHEUS").map(PathBuf::from) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = start(&binary, dir.path());
    let prometheus =
        Prometheus::new(PrometheusConfig::at(format!("http://localhost:{port}"))).unwrap();
    let at = |s| Timestamp::from_second(START + s).unwrap();
    let windows = loop {
        match prometheus
            .windows(&query(), 1, &[at(0), at(30), at(60), at(90)])
            .await
        {
            Ok(windows) => break windows,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
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
        [
            (Arm::Canary, "c", 6, 4),
            (Arm::Canary, "late", 0, 0),
            (Arm::Stable, "s", 20, 0)
        ]
    );
    assert_eq!(
        counts(1),
        [
            (Arm::Canary, "c", 8, 0),
            (Arm::Canary, "late", 9, 0),
            (Arm::Stable, "s", 20, 0)
        ]
    );
    // The same window asked alone is the same.
    assert_eq!(
        prometheus
            .window(&query(), 2, at(30), at(60))
            .await
            .unwrap(),
        windows[1]
    );
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
}
