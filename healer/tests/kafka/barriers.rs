//! What has been seen is proved, and nothing else is.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::types::RDKafkaApiKey;
use temper_healer::kafka::{Settings, Topic, Trouble};
use temper_healer_core::Moment;

use crate::world::{Diary, EVENTS, World};

/// What was appended: to which partition of the events, and when that was certain.
type Appended = Vec<(i32, Moment)>;

/// A barrier that came before a record appended before it was asked.
fn premature(diary: &Diary, appended: &Appended) -> Option<String> {
    diary.barriers.iter().find_map(|barrier| {
        let due = appended.iter().filter(|(partition, at)| {
            barrier.topic == Topic::Events && *partition == barrier.partition && *at < barrier.asked
        });
        let before = &diary.records[..barrier.after];
        let heard = before
            .iter()
            .filter(|entry| entry.topic == barrier.topic && entry.partition == barrier.partition);
        let (due, heard) = (due.count(), heard.count());
        (heard < due).then(|| format!("{barrier:?}: {heard} of {due} records heard"))
    })
}

#[test]
fn no_barrier_comes_before_what_was_appended_before_it_was_asked() {
    for seed in 0..4 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let world = World::new();
        for broker in 1..=3 {
            let delay = Duration::from_millis(dice.u64(0..30));
            world.cluster.broker_round_trip_time(broker, delay).unwrap();
        }
        let settings = Settings {
            barrier_every: Duration::from_millis(dice.u64(1..20)),
            ..world.settings()
        };
        let mut listener = world.listener(settings);
        let mut appended = Appended::new();
        for _ in 0..60 {
            let mut partitions = BTreeMap::new();
            for _ in 0..dice.usize(0..5) {
                *partitions.entry(dice.i32(0..6)).or_insert(0) += 1;
            }
            for (partition, times) in &partitions {
                (0..*times).for_each(|_| world.send(EVENTS, *partition, Some(b"said")));
            }
            world.flush();
            let certain = world.now();
            appended.extend(
                partitions
                    .iter()
                    .flat_map(|(partition, times)| vec![(*partition, certain); *times]),
            );
            if dice.bool() {
                listener.telemetry.look_now();
            }
            for _ in 0..dice.usize(0..4) {
                listener.poll(Duration::from_millis(dice.u64(0..10)));
            }
        }
        listener.until_barriers(&[0, 1, 2, 3, 4, 5], world.now());
        assert_eq!(premature(&listener.diary, &appended), None, "seed {seed}");
        assert_eq!(listener.diary.records.len(), appended.len());
        assert!(
            listener.diary.barriers.len() > 20,
            "the run proves nothing without barriers"
        );
    }
}

#[test]
fn a_dead_broker_silences_its_own_partitions_only() {
    let world = World::new();
    world.create_canary();
    let settings = Settings {
        canary: Some("temper-canary".into()),
        call_timeout: Duration::from_millis(300),
        ..world.settings()
    };
    let mut listener = world.listener(settings);
    let all = [0, 1, 2, 3, 4, 5];
    listener.until_barriers(&all, world.now());
    listener.until("writes everywhere", |diary| {
        all.iter()
            .all(|partition| diary.proof(*partition).is_some())
    });

    world.cluster.broker_down(2).unwrap();
    let down = world.now();
    let later = down.plus(Duration::from_secs(2));
    let alive = [0, 2, 3, 5];
    listener.until_barriers(&alive, later);
    listener.until("writes elsewhere", |diary| {
        alive
            .iter()
            .all(|partition| diary.proof(*partition) > Some(later))
    });
    for dark in [1, 4] {
        assert!(
            listener.diary.barrier(dark) <= Some(down),
            "partition {dark} has no leader to ask"
        );
        assert!(
            listener.diary.proof(dark) <= Some(down),
            "partition {dark} has no leader to write to"
        );
    }
    let said = |trouble: &Trouble| matches!(trouble, Trouble::Broker { broker: 2, .. });
    assert!(listener.diary.troubles.iter().any(said));

    let longest = alive
        .iter()
        .map(|partition| longest_gap(&listener.diary, *partition, down));
    let longest = longest.max().unwrap();
    assert!(
        longest < Duration::from_secs(1),
        "held up by a dead broker: {longest:?}"
    );

    world.cluster.broker_up(2).unwrap();
    let up = world.now();
    listener.until_barriers(&all, up);
    listener.until("writes everywhere again", |diary| {
        all.iter()
            .all(|partition| diary.proof(*partition) > Some(up))
    });
}

/// The longest time between two barriers of a partition of the events since then.
fn longest_gap(diary: &Diary, partition: i32, since: Moment) -> Duration {
    let asked = diary.barriers.iter().filter(|barrier| {
        barrier.topic == Topic::Events && barrier.partition == partition && barrier.asked > since
    });
    let asked: Vec<Moment> = asked.map(|barrier| barrier.asked).collect();
    let gaps = asked.windows(2).map(|pair| pair[1].since(pair[0]));
    gaps.max().unwrap_or(Duration::MAX)
}

#[test]
fn without_a_leader_there_is_no_barrier() {
    let world = World::new();
    // With newer fetches the mock itself falls over a missing leader.
    world
        .cluster
        .apiversion(RDKafkaApiKey::Fetch, Some(0), Some(11))
        .unwrap();
    let mut listener = world.listener(world.settings());
    listener.until_barriers(&[0, 1, 2, 3, 4, 5], world.now());
    world.lead(EVENTS, 2, None);
    let since = world.now();
    let said = |trouble: &Trouble| {
        matches!(
            trouble,
            Trouble::Unsound {
                partition: 2,
                leader: None,
                ..
            }
        )
    };
    listener.until("a word about it", |diary| diary.troubles.iter().any(said));
    listener.until_barriers(&[0, 1, 3, 4, 5], since.plus(Duration::from_secs(1)));
    assert!(listener.diary.barrier(2) <= Some(since));
    world.lead(EVENTS, 2, Some(1));
    listener.until_barriers(&[2], world.now());
}

#[test]
fn with_too_few_replicas_records_are_read_and_prove_nothing() {
    let world = World::empty();
    world.create(EVENTS, 1, 1);
    world.create("queue-control", 1, 3);
    world.append(EVENTS, 0, "said");
    let mut listener = world.listener(world.settings());
    let said = |trouble: &Trouble| matches!(trouble, Trouble::Unsound { in_sync: 1, .. });
    listener.until("a word about it", |diary| diary.troubles.iter().any(said));
    listener.until("the record", |diary| diary.records.len() == 1);
    let since = world.now().plus(Duration::from_millis(500));
    listener.until("barriers of the other topic", |diary| {
        diary
            .barriers
            .iter()
            .any(|barrier| barrier.topic == Topic::Control && barrier.asked > since)
    });
    assert_eq!(listener.diary.barrier(0), None);
}

#[test]
fn who_looks_now_knows_after_one_round_trip() {
    let world = World::new();
    let settings = Settings {
        barrier_every: Duration::from_hours(1),
        ..world.settings()
    };
    let mut listener = world.listener(settings);
    let all = [0, 1, 2, 3, 4, 5];
    // Nothing is asked by itself within the hour, so the first looks make it begin.
    while listener.telemetry.positions().count() < 7 {
        listener.telemetry.look_now();
        listener.poll(Duration::from_millis(50));
    }
    let round_trip = Duration::from_millis(300);
    world
        .cluster
        .broker_round_trip_time(-1, round_trip)
        .unwrap();
    let fastest = (0..5).map(|_| {
        let began = Instant::now();
        let since = world.now();
        listener.telemetry.look_now();
        listener.until_barriers(&all, Moment::from_unix_ms(since.as_unix_ms() - 1));
        began.elapsed()
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < round_trip * 2, "{fastest:?}");
}
