//! Faults strike the requests that they are ordered for, when they are ordered to, and as they are ordered to.

use std::time::Duration;

use serde_json::{Value, json};
use temper_fake_kube::{Fault, Gate, Matcher, Refusal, Resource, Times, Verb};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Scene, job, jobs};

fn posts() -> Matcher {
    Matcher::any().verb(Verb::Create).resource(Resource::Jobs)
}

#[tokio::test]
async fn a_refusal_says_what_a_real_server_says_and_nothing_is_done() {
    for (refusal, code, reason, words) in [
        (
            Refusal::TooManyRequests { retry_after: 3 },
            429,
            "TooManyRequests",
            "try again later",
        ),
        (
            Refusal::Forbidden,
            403,
            "Forbidden",
            "cannot create resource \"jobs\" in API group \"batch\" in the namespace \"stf\"",
        ),
        (
            Refusal::ExceededQuota,
            403,
            "Forbidden",
            "jobs.batch \"a\" is forbidden: exceeded quota: ",
        ),
        (Refusal::Denied, 403, "Forbidden", "denied the request"),
        (
            Refusal::Conflict,
            409,
            "Conflict",
            "Operation cannot be fulfilled on jobs.batch \"a\": the object has been modified",
        ),
        (Refusal::Expired, 410, "Expired", "too old resource version"),
        (
            Refusal::Internal,
            500,
            "InternalError",
            "Internal error occurred: ",
        ),
        (
            Refusal::Unavailable,
            503,
            "ServiceUnavailable",
            "currently unable to handle the request",
        ),
        (
            Refusal::Timeout,
            504,
            "Timeout",
            "did not complete within requested timeout",
        ),
    ] {
        let scene = Scene::open();
        scene
            .control
            .order(posts(), Times::All, Fault::refuse(refusal));
        let (got, body) = scene
            .ask("POST", &jobs(), &job("a", &json!({})))
            .await
            .unwrap();
        assert_eq!(
            (got, &body["code"], &body["reason"]),
            (code, &json!(code), &json!(reason))
        );
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        assert!(!scene.exists("a"));
        let outcome = scene.control.requests()[0].outcome;
        assert_eq!(
            (outcome.done, outcome.told, outcome.faulty),
            (None, Some(code), true)
        );
    }
}

#[tokio::test]
async fn after_the_commit_the_same_words_are_a_lie() {
    let scene = Scene::open();
    let fault = Fault::refuse(Refusal::Timeout).after_commit();
    scene.control.order(posts(), Times::Nth(1), fault);
    assert_eq!(scene.post("a").await.unwrap(), 504);
    assert!(scene.exists("a"));
    let outcome = scene.control.requests()[0].outcome;
    assert_eq!((outcome.done, outcome.told), (Some(201), Some(504)));
    assert_eq!(scene.post("a").await.unwrap(), 409);
}

#[tokio::test]
async fn a_cut_leaves_the_one_who_asked_in_the_dark() {
    let scene = Scene::open();
    scene.control.order(posts(), Times::Nth(1), Fault::cut());
    scene
        .control
        .order(posts(), Times::Nth(2), Fault::cut().after_commit());
    scene.post("a").await.unwrap_err();
    assert!(!scene.exists("a"));
    scene.post("a").await.unwrap_err();
    assert!(scene.exists("a"));
    let outcomes: Vec<_> = scene
        .control
        .requests()
        .iter()
        .map(|record| (record.outcome.done, record.outcome.told))
        .collect();
    assert_eq!(outcomes, [(None, None), (Some(201), None)]);
}

#[tokio::test]
async fn a_fault_strikes_those_that_match_as_often_as_it_should() {
    let refuse = || Fault::refuse(Refusal::Unavailable);
    for (matcher, times, expected) in [
        (posts(), Times::Nth(2), [201, 503, 201]),
        (posts(), Times::First(2), [503, 503, 201]),
        (posts(), Times::All, [503, 503, 503]),
        (posts().name("job-*-r1"), Times::All, [201, 503, 201]),
        (Matcher::changes(), Times::Nth(3), [201, 201, 503]),
        (
            Matcher::any().verb(Verb::Delete),
            Times::All,
            [201, 201, 201],
        ),
        (
            Matcher::any().resource(Resource::Pods),
            Times::All,
            [201, 201, 201],
        ),
    ] {
        let scene = Scene::open();
        scene.control.order(matcher.clone(), times, refuse());
        let mut codes = Vec::new();
        for name in ["job-a", "job-a-r1", "job-a-r2"] {
            codes.push(scene.post(name).await.unwrap());
        }
        assert_eq!(codes, expected, "{matcher:?} {times:?}");
    }
}

#[tokio::test]
async fn of_two_faults_for_a_request_the_first_strikes_and_both_have_counted_it() {
    let scene = Scene::open();
    scene
        .control
        .order(posts(), Times::Nth(1), Fault::refuse(Refusal::Internal));
    scene.control.order(
        posts(),
        Times::First(2),
        Fault::refuse(Refusal::Unavailable),
    );
    let mut codes = Vec::new();
    for name in ["a", "b", "c"] {
        codes.push(scene.post(name).await.unwrap());
    }
    assert_eq!(codes, [500, 503, 201]);
    scene
        .control
        .order(posts(), Times::All, Fault::refuse(Refusal::Internal));
    scene.control.clear_faults();
    assert_eq!(scene.post("d").await.unwrap(), 201);
}

#[tokio::test]
async fn a_request_that_is_held_waits_and_others_do_not() {
    let scene = Scene::open();
    let gate = Gate::shut();
    scene
        .control
        .order(posts().name("a"), Times::All, Fault::hold(gate.clone()));
    let held = scene.post("a");
    let meanwhile = async {
        gate.reached(1).await;
        assert_eq!(scene.post("b").await.unwrap(), 201);
        assert!(!scene.exists("a"));
        gate.open();
    };
    let (code, ()) = tokio::join!(held, meanwhile);
    assert_eq!(code.unwrap(), 201);
    assert_eq!(scene.post("a").await.unwrap(), 409);
}

#[tokio::test]
async fn who_is_turned_away_at_a_gate_hears_nothing_and_nothing_more_is_done() {
    for (fault, done) in [
        (Fault::hold as fn(Gate) -> Fault, None),
        (|gate| Fault::hold(gate).after_commit(), Some(201)),
    ] {
        let scene = Scene::open();
        let gate = Gate::shut();
        scene
            .control
            .order(posts(), Times::All, fault(gate.clone()));
        let turning = async {
            gate.reached(1).await;
            gate.turn_away();
        };
        let (posted, ()) = tokio::join!(scene.post("a"), turning);
        posted.unwrap_err();
        assert_eq!(scene.exists("a"), done.is_some());
        assert_eq!(scene.control.requests()[0].outcome.done, done);
        scene.post("b").await.unwrap_err();
    }
}

#[tokio::test]
async fn what_a_client_asked_for_before_it_died_is_done_nevertheless() {
    let scene = Scene::open();
    let gate = Gate::shut();
    scene
        .control
        .order(posts(), Times::All, Fault::hold(gate.clone()));
    let (path, body) = (jobs(), job("a", &json!({})).to_string());
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: kube\r\nContent-Length: {length}\r\n\r\n{body}");
    let address = scene.kube.url().replace("http://", "");
    let mut client = TcpStream::connect(&address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    gate.reached(1).await;
    client.shutdown().await.unwrap();
    // The server has noticed that the client is gone.
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);

    assert!(!scene.exists("a"));
    gate.open();
    let seen = scene.control.until(|_| scene.exists("a").then_some(()));
    timeout(Duration::from_mins(1), seen).await.unwrap();
}

#[tokio::test]
async fn held_after_the_commit_it_is_done_and_the_answer_is_late() {
    let scene = Scene::open();
    let gate = Gate::shut();
    scene.control.order(
        posts(),
        Times::All,
        Fault::hold(gate.clone()).after_commit(),
    );
    let seen = async {
        gate.reached(1).await;
        assert!(scene.exists("a"));
        assert_eq!(scene.control.requests()[0].outcome.told, None);
        gate.open();
    };
    let (code, ()) = tokio::join!(scene.post("a"), seen);
    assert_eq!(code.unwrap(), 201);
}

#[tokio::test]
async fn every_request_is_recorded() {
    let scene = Scene::open();
    scene.post("a").await.unwrap();
    let path = format!("{}/a", jobs());
    let options = json!({ "propagationPolicy": "Background" });
    scene.ask("DELETE", &path, &options).await.unwrap();
    let list = format!("{}?limit=5", jobs());
    scene.ask("GET", &list, &Value::Null).await.unwrap();
    let records = scene.control.requests();
    let told: Vec<_> = records
        .iter()
        .map(|record| format!("{:?} {}", record.verb, record.key))
        .collect();
    assert_eq!(
        told,
        ["Create jobs stf/a", "Delete jobs stf/a", "List jobs stf/"]
    );
    assert_eq!(records[1].body, options);
    assert_eq!(records[2].path, list);
    assert!(
        records
            .iter()
            .all(|record| record.outcome.done == record.outcome.told)
    );
}

#[tokio::test]
async fn a_fake_that_is_dropped_is_gone() {
    let scene = Scene::open();
    let address = scene.kube.url().replace("http://", "");
    drop(TcpStream::connect(&address).await.unwrap());
    drop(scene.kube);
    TcpStream::connect(&address).await.unwrap_err();
}
