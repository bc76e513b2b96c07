//! What is wrong is said, and holds nobody up.

use std::time::{Duration, Instant};

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use temper_healer::kafka::{Security, Settings, Topic, Trouble};

use crate::world::{CANARY, EVENTS, World};

#[test]
fn where_nobody_answers_polling_does_not_wait_and_dropping_ends() {
    let world = World::new();
    let mut listener = world.listener(world.settings());
    listener.until_barriers(&[0, 1, 2, 3, 4, 5], world.now());
    world.cluster.broker_down(-1).unwrap();
    listener.until("a word about it", |diary| {
        diary
            .troubles
            .iter()
            .any(|trouble| matches!(trouble, Trouble::Client { .. }))
    });
    let began = Instant::now();
    for _ in 0..20 {
        listener.poll(Duration::from_millis(5));
    }
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    let began = Instant::now();
    listener.telemetry.rewind().unwrap();
    let rewound = began.elapsed();
    let began = Instant::now();
    drop(listener);
    let dropped = began.elapsed();
    assert!(rewound < Duration::from_secs(2), "{rewound:?}");
    assert!(dropped < Duration::from_secs(4), "{dropped:?}");
}

#[test]
fn a_handshake_that_fails_is_told_with_its_reason() {
    let world = World::new();
    let security = Security::SaslTls {
        user: "user".into(),
        password: "hush".into(),
        ca: None,
    };
    // The brokers of this world do not speak TLS.
    let mut listener = world.listener(Settings {
        security,
        ..world.settings()
    });
    listener.until("the reason", |diary| {
        diary
            .troubles
            .iter()
            .any(|trouble| trouble.to_string().to_lowercase().contains("ssl"))
    });
    assert!(listener.diary.barriers.is_empty());
    assert!(!format!("{:?}", listener.diary.troubles).contains("hush"));
}

#[test]
fn a_ca_file_that_is_not_there_is_an_error_at_once() {
    let world = World::new();
    let security = Security::Tls {
        ca: Some("/no/such/ca.crt".into()),
    };
    let settings = Settings {
        security,
        ..world.settings()
    };
    let error = temper_healer::kafka::Telemetry::connect(settings, Default::default).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert!(
        source.to_string().contains("ca.crt") || source.to_string().contains("ssl.ca.location"),
        "{source}"
    );
}

#[test]
fn a_canary_topic_that_is_not_there_is_said_and_proves_nothing() {
    let world = World::new();
    let mut listener = world.listener(Settings {
        canary: Some(CANARY.into()),
        ..world.settings()
    });
    let about = |trouble: &&Trouble| trouble.to_string().contains(CANARY);
    let later = world.now().plus(Duration::from_secs(2));
    listener.until_barriers(&[0, 1, 2, 3, 4, 5], later);
    let said = listener.diary.troubles.iter().filter(about).count();
    assert!((1..=4).contains(&said), "said {said} times");
    assert!(listener.diary.written.is_empty());
}

#[test]
fn a_canary_that_may_not_be_written_is_said_and_proves_nothing() {
    let world = World::new();
    world.create_canary();
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 2000];
    world
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &refused);
    let mut listener = world.listener(Settings {
        canary: Some(CANARY.into()),
        ..world.settings()
    });
    listener.until("a word about it", |diary| {
        diary
            .troubles
            .iter()
            .any(|trouble| matches!(trouble, Trouble::Canary { .. }))
    });
    assert!(listener.diary.written.is_empty());
    world.cluster.clear_request_errors(RDKafkaApiKey::Produce);
    listener.until("a write", |diary| diary.proof(0).is_some());
}

#[test]
fn records_deleted_before_they_were_read_are_missed_aloud() {
    let world = World::new();
    world.append(EVENTS, 0, "first");
    let mut listener = world.listener(world.settings());
    listener.until("the first", |diary| diary.records.len() == 1);
    // Fetches fail while more is written than the mock keeps.
    let failing = vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR; 5000];
    world.cluster.request_errors(RDKafkaApiKey::Fetch, &failing);
    for _ in 0..20 {
        world.send(EVENTS, 0, Some(&vec![b'x'; 700_000]));
        world.flush();
    }
    world.cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    listener.until("a word about it", |diary| {
        let said = |trouble: &Trouble| {
            matches!(trouble, Trouble::Outrun { topic: Topic::Events, partition: 0, from, to } if from < to)
        };
        diary.troubles.iter().any(said)
    });
    listener.until_barriers(&[0, 1, 2, 3, 4, 5], world.now());
    assert_eq!(listener.diary.offsets(Topic::Events, 0).last(), Some(&20));
}
