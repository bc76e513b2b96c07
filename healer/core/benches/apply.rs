//! How fast events are read and applied, beside reading alone in the same run, and what a worker costs.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark reads the clock and prints"
)]

use std::{fs, hint::black_box, time::Instant};

use serde_json::{Value, json};
use temper_healer_core::{
    Event, Healer, Job, Moment, Place, Policy, Topic,
    telemetry::{Report, Status},
};

const WORKERS: usize = 100_000;
const EVENTS: usize = 4_000_000;

fn main() {
    let payloads: Vec<_> = (0..WORKERS).map(payload).collect();
    let manifests: Vec<_> = (0..WORKERS).map(manifest).collect();
    let before = resident_bytes();
    let mut healer = healer(&manifests, &payloads);
    let bytes = resident_bytes().saturating_sub(before);
    println!(
        "{WORKERS} workers with a Job each: {} bytes a worker",
        bytes / WORKERS
    );

    let parse = rate(&payloads, |report| {
        black_box(report);
    });
    let mut out = Vec::new();
    let mut now = at(10);
    let apply = rate(&payloads, |report| {
        now = now.plus(std::time::Duration::from_micros(900));
        let place = Place {
            partition: 0,
            offset: 7,
        };
        healer.step(
            Event::Said {
                report,
                place,
                appended: None,
            },
            now,
            &mut out,
        );
    });
    assert!(out.is_empty(), "nobody is in trouble");
    println!(
        "parse: {:.2} M events/s; parse and apply: {:.2} M events/s, {:.2}x of it",
        parse / 1e6,
        apply / 1e6,
        apply / parse
    );
}

fn rate(payloads: &[String], mut each: impl FnMut(Report<'_>)) -> f64 {
    let start = Instant::now();
    for payload in payloads.iter().cycle().take(EVENTS) {
        each(Report::parse(payload.as_bytes()).unwrap());
    }
    EVENTS as f64 / start.elapsed().as_secs_f64()
}

fn payload(worker: usize) -> String {
    format!(
        r#"{{"queue_id":"wf-btcusdt-api_candles_1m-20240801-{worker:06}","producer":"loader-producer__{worker:06}","symbol":"BTCUSDT","type":"api_candles_1m","status":"loading","message":"Loaded 1000 records","records_written":1000,"finished":false,"timestamp":1722500000.25}}"#
    )
}

/// A healer that acts and knows all workers and their Jobs.
fn healer(manifests: &[Value], payloads: &[String]) -> Healer {
    let mut healer = Healer::new(Policy::streamforge(), at(0));
    let mut out = Vec::new();
    healer.step(
        Event::Partitions {
            topic: Topic::Events,
            count: 1,
        },
        at(0),
        &mut out,
    );
    healer.step(
        Event::Partitions {
            topic: Topic::Control,
            count: 1,
        },
        at(0),
        &mut out,
    );
    for manifest in manifests {
        let (name, job) = Job::read(manifest).unwrap();
        healer.step(Event::Job { name, job }, at(1), &mut out);
    }
    healer.step(Event::JobsListed, at(1), &mut out);
    healer.step(Event::Lead, at(1), &mut out);
    for topic in [Topic::Events, Topic::Control] {
        healer.step(
            Event::Barrier {
                topic,
                partition: 0,
                asked: at(2),
                end: 0,
            },
            at(2),
            &mut out,
        );
    }
    for payload in payloads {
        let text = payload.replace("loading", "started");
        let report = Report::parse(text.as_bytes()).unwrap();
        assert_eq!(report.status, Status::Started);
        let place = Place {
            partition: 0,
            offset: 1,
        };
        healer.step(
            Event::Said {
                report,
                place,
                appended: None,
            },
            at(3),
            &mut out,
        );
    }
    assert!(healer.is_armed());
    healer
}

fn manifest(worker: usize) -> Value {
    json!({
        "metadata": {"name": format!("job-loader-producer-btcusdt-{worker:06}"), "uid": format!("5c1c1f0a-8f0e-4d2b-9f57-{worker:012}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"queue_id": format!("wf-btcusdt-api_candles_1m-20240801-{worker:06}")}},
        "spec": {"template": {"spec": {"containers": [{"env": [
            {"name": "TELEMETRY_PRODUCER_ID", "value": format!("loader-producer__{worker:06}")}]}]}}},
    })
}

const fn at(second: u64) -> Moment {
    Moment::from_unix_ms(1_800_000_000_000 + second * 1000)
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
