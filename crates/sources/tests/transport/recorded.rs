//! Replies that real servers gave, through the whole client.

use jiff::Timestamp;
use serde_json::{Value, json};
use temper_sources::window::{Arm, Latency, Window};
use temper_sources::{Matchers, Prometheus, PrometheusConfig, Query, Selector, SourceError};

use crate::server::{Server, nothing, refused, reply};

macro_rules! recorded {
    ($name:literal) => {
        [
            include_str!(concat!("../fixtures/2.42/", $name)),
            include_str!(concat!("../fixtures/3.16/", $name)),
        ]
    };
}

const ARMS: [(Arm, &str); 2] = [(Arm::Canary, "5c8f7d9b6d"), (Arm::Stable, "7f6b5c4d8e")];

/// A server that has one recorded metric: of a query for it, it answers with the arm's part of the recording.
async fn server(metric: &'static str, recording: &'static str) -> Server {
    Server::of(move |request| {
        let (_, form) = request.split_once("\r\n\r\n").unwrap();
        let asked = |text: &str| form.contains(text);
        let arm = ARMS.iter().find(|(_, hash)| asked(hash));
        match arm.filter(|_| asked(&format!("query={metric}%7B"))) {
            Some((_, hash)) => reply("200 OK", &part(recording, hash)),
            None => nothing(request),
        }
    })
    .await
}

fn part(recording: &str, hash: &str) -> String {
    let mut body: Value = serde_json::from_str(recording).unwrap();
    let series = body["data"]["result"].as_array().unwrap();
    let of_arm = |series: &&Value| series["metric"]["rollouts_pod_template_hash"] == *hash;
    let kept: Vec<_> = series.iter().filter(of_arm).cloned().collect();
    body["data"]["result"] = json!(kept);
    body.to_string()
}

/// Times and cumulative counts of all observations, by arm.
fn histograms(recording: &str) -> Vec<(f64, u64)> {
    let body: Value = serde_json::from_str(&part(recording, ARMS[0].1)).unwrap();
    let samples = body["data"]["result"][0]["histograms"].as_array().unwrap();
    let count = |histogram: &Value| histogram["count"].as_str().unwrap().parse().unwrap();
    let sample = |sample: &Value| (sample[0].as_f64().unwrap(), count(&sample[1]));
    samples.iter().map(sample).collect()
}

async fn window(server: &Server, latency: &str, from: f64, to: f64) -> Window {
    let arm = |hash| Matchers::arm(&format!("rollouts_pod_template_hash={hash:?}")).unwrap();
    let query = Query {
        errors: None,
        latency: Some(Selector::parse(latency).unwrap()),
        custom: Vec::new(),
        canary: arm(ARMS[0].1),
        stable: arm(ARMS[1].1),
        strata: Vec::new(),
        pod: "instance".to_owned(),
    };
    #[expect(clippy::cast_possible_truncation, reason = "times of our days")]
    let at = |seconds: f64| Timestamp::from_millisecond((seconds * 1000.0).round() as i64).unwrap();
    let prometheus = Prometheus::new(PrometheusConfig::at(&server.address)).unwrap();
    prometheus
        .window(&query, 1, at(from), at(to))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_native_histogram_comes_through_with_every_observation() {
    const METRIC: &str = "http_native_duration_seconds";
    for recording in recorded!("range_selector_native_hist_10s.json") {
        let server = server(METRIC, recording).await;
        let samples = histograms(recording);
        let ((from, before), (to, after)) = (samples[0], samples[samples.len() - 1]);
        let cells = window(&server, METRIC, from, to).await.content.unwrap();
        assert_eq!(cells.len(), 2);
        for (key, counts) in cells {
            assert_eq!(counts.requests, after - before, "{key:?}");
            let Some(Latency::Native {
                schema: 3,
                zero,
                buckets,
                ..
            }) = counts.latency
            else {
                unreachable!(
                    "{key:?} is no native histogram of schema 3: {:?}",
                    counts.latency
                );
            };
            assert_eq!(zero + buckets.values().sum::<u64>(), after - before);
        }
    }
}

#[tokio::test]
async fn a_warning_never_becomes_data() {
    let body = include_str!("../fixtures/3.16/warn_bucket_no_le.json");
    let server = Server::answering(reply("200 OK", body)).await;
    let error = refused(PrometheusConfig::at(&server.address)).await;
    assert!(
        matches!(&error, SourceError::Partial { warning, .. } if warning.contains("bucket label")),
        "{error}"
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_parse_error_is_told_in_the_words_of_the_server() {
    for body in recorded!("error_parse_400.json") {
        let server = Server::answering(reply("400 Bad Request", body)).await;
        let error = refused(PrometheusConfig::at(&server.address)).await;
        assert!(!error.is_transient());
        assert!(
            error.to_string().contains("unclosed left parenthesis"),
            "{error}"
        );
    }
}
