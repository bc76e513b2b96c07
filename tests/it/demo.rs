//! The demonstration, as a person starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

fn temper() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_temper"));
    command.env_remove("ARGO_ROLLOUTS_RPC_PLUGIN");
    command
}

#[test]
fn a_bad_version_is_refused_live_with_a_last_sentence_that_says_what_to_do() {
    // Five times the errors at sixty requests a second of the new version: the horizon is far beyond what that takes.
    let output = temper()
        .args([
            "demo",
            "--regression",
            "errors",
            "--step",
            "0.5",
            "--looks",
            "60",
        ])
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    let last = text.lines().last().expect("a last line");
    assert!(
        last.starts_with("Roll it back: the new version is worse."),
        "{text}"
    );
    assert!(
        text.contains("errors: canary ") && text.contains(" requests, evidence 1:"),
        "{text}"
    );
    let looks = text
        .lines()
        .filter(|line| line.contains("watching") || line.contains("FAIL"));
    assert!(looks.count() >= 1, "{text}");
}

#[test]
fn the_fleet_serves_what_prometheus_reads_and_ends_when_its_input_does() {
    let mut fleet = temper()
        .args([
            "demo",
            "fleet",
            "--regression",
            "one-bad-pod",
            "--pods-canary",
            "2",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(fleet.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line");
    let addresses: Value = serde_json::from_str(&line).expect("JSON");
    for (arm, pods) in [("canary", 2), ("stable", 3)] {
        let arm = addresses[arm].as_array().expect("a list");
        assert_eq!(arm.len(), pods);
        for pod in arm {
            let page = fetch(pod["url"].as_str().expect("a text"));
            assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
            assert!(
                page.contains("content-type: text/plain; version=0.0.4"),
                "{page}"
            );
            assert!(
                page.contains("# TYPE queue_requests_total counter"),
                "{page}"
            );
        }
    }
    drop(fleet.stdin.take());
    assert!(fleet.wait().expect("it ends").success());
}

#[test]
fn a_wrong_option_is_answered_with_its_value_and_the_status_of_wrong_usage() {
    let output = temper()
        .args(["demo", "--regression", "worse"])
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        text.starts_with("temper: --regression worse: not known, choose one of none"),
        "{text}"
    );
}

fn fetch(url: &str) -> String {
    let rest = url.strip_prefix("http://").expect("plain http");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("the pod listens");
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a whole page");
    page
}
