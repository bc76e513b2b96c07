//! Every record arrives, whatever it holds.

use std::time::{Duration, Instant};

use temper_healer::kafka::{Settings, Stamp, Topic};
use temper_healer_core::Moment;

use crate::world::{CONTROL, DEADLINE, EVENTS, World};

#[test]
fn all_records_of_all_partitions_arrive_in_their_order() {
    let world = World::new();
    for n in 0..3000 {
        world.send(EVENTS, n % 6, Some(n.to_string().as_bytes()));
    }
    world.flush();
    world.append(CONTROL, 0, "stop");
    let mut listener = world.listener(world.settings());
    listener.until("all of it", |diary| diary.records.len() == 3001);
    for partition in 0..6 {
        let offsets: Vec<i64> = (0..500).collect();
        assert_eq!(listener.diary.offsets(Topic::Events, partition), offsets);
    }
    assert_eq!(listener.diary.offsets(Topic::Control, 0), [0]);
    let mut counts = listener.diary.counts.clone();
    counts.sort_unstable_by_key(|(_, count)| *count);
    assert_eq!(counts, [(Topic::Control, 1), (Topic::Events, 6)]);
    let read: i64 = listener
        .telemetry
        .positions()
        .map(|position| position.next)
        .sum();
    assert_eq!(read, 3001);
}

#[test]
fn empty_and_missing_payloads_and_bytes_of_any_kind_are_records() {
    let world = World::new();
    world.send(EVENTS, 0, Some(b""));
    world.send(EVENTS, 0, None);
    world.send(EVENTS, 0, Some(b"\xff\x00{not json"));
    world.flush();
    let mut listener = world.listener(world.settings());
    listener.until("three records", |diary| diary.records.len() == 3);
    let payloads: Vec<_> = listener
        .diary
        .records
        .iter()
        .map(|entry| entry.payload.as_deref())
        .collect();
    assert_eq!(payloads, [Some(&b""[..]), None, Some(b"\xff\x00{not json")]);
    let first = &listener.diary.records[0];
    assert_eq!(first.key.as_deref(), Some(&b"key"[..]));
    assert!(matches!(first.stamp, Stamp::Created(ms) if ms > 0));
}

#[test]
fn however_batches_are_packed_they_hold_up_nobody() {
    let world = World::new();
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        world.append_packed(codec, EVENTS, 0, 100);
    }
    let mut listener = world.listener(world.settings());
    listener.until("four hundred records", |diary| diary.records.len() == 400);
    let offsets: Vec<i64> = (0..400).collect();
    assert_eq!(listener.diary.offsets(Topic::Events, 0), offsets);
}

#[test]
fn ten_megabytes_pass_and_hold_up_nobody() {
    let world = World::new();
    let large = vec![b'x'; 10 << 20];
    // The mock drops what is older than its last 5 MiB, so the large one comes first.
    world.send(EVENTS, 0, Some(&large));
    world.flush();
    let mut listener = world.listener(world.settings());
    listener.until("ten megabytes", |diary| {
        let large = diary.records.iter().filter(|entry| {
            entry
                .payload
                .as_ref()
                .is_some_and(|bytes| bytes.len() == 10 << 20)
        });
        large.count() == 1
    });
    world.append(
        EVENTS,
        0,
        "lost with the large one, to which the mock has no room for more",
    );
    world.append(EVENTS, 0, "after");
    world.append(EVENTS, 3, "beside");
    listener.until("what came after", |diary| {
        let last = |partition| diary.offsets(Topic::Events, partition).last().copied();
        last(0) == Some(2) && last(3) == Some(0)
    });
    listener.until_barriers(&[0, 1, 2, 3, 4, 5], world.now());
}

#[test]
fn reading_begins_where_nothing_is_older_than_the_lookback() {
    let world = World::new();
    world.append(EVENTS, 0, "of yesterday");
    // The mock finds no record by its time, so it says of any that all are older.
    let settings = Settings {
        lookback: Duration::ZERO,
        ..world.settings()
    };
    let mut listener = world.listener(settings);
    listener.until_barriers(&[0], Moment::default());
    world.append(EVENTS, 0, "of today");
    listener.until("one record", |diary| !diary.records.is_empty());
    assert_eq!(listener.diary.offsets(Topic::Events, 0), [1]);
}

#[test]
fn a_rewound_reading_hands_everything_over_again() {
    let world = World::new();
    for n in 0..600 {
        world.send(EVENTS, n % 6, Some(b"said"));
    }
    world.flush();
    let mut listener = world.listener(world.settings());
    for enough in [1, 100, 600] {
        listener.until("some of it", |diary| diary.records.len() >= enough);
        listener.telemetry.rewind().unwrap();
        listener.diary.records.clear();
        listener.diary.barriers.clear();
        assert_eq!(listener.telemetry.positions().count(), 0);
    }
    listener.until("all of it", |diary| diary.records.len() == 600);
    for partition in 0..6 {
        let offsets: Vec<i64> = (0..100).collect();
        assert_eq!(
            listener.diary.offsets(Topic::Events, partition),
            offsets,
            "from its beginning"
        );
    }
    let too_early = listener.diary.barriers.iter().find(|barrier| {
        let before = &listener.diary.records[..barrier.after];
        let read = before
            .iter()
            .filter(|entry| entry.partition == barrier.partition && entry.topic == barrier.topic);
        i64::try_from(read.count()).unwrap() < barrier.high
    });
    assert!(too_early.is_none(), "{too_early:?}");
}

#[test]
fn a_topic_that_comes_later_is_read_from_its_beginning() {
    let world = World::empty();
    world.create(CONTROL, 1, 3);
    let settings = Settings {
        lookback: Duration::ZERO,
        ..world.settings()
    };
    let mut listener = world.listener(settings);
    listener.until("one topic", |diary| diary.counts == [(Topic::Control, 1)]);
    listener.until("a word about the other", |diary| {
        diary
            .troubles
            .iter()
            .any(|trouble| trouble.to_string().contains(EVENTS))
    });
    world.create(EVENTS, 2, 3);
    world.append(EVENTS, 1, "first");
    listener.until("its first record", |diary| {
        diary.offsets(Topic::Events, 1) == [0]
    });
    assert!(listener.diary.counts.contains(&(Topic::Events, 2)));
}

#[test]
fn one_poll_is_bounded_and_the_next_goes_on() {
    let world = World::new();
    for _ in 0..30_000 {
        world.send(EVENTS, 0, Some(b"x"));
    }
    world.flush();
    let mut listener = world.listener(world.settings());
    let began = Instant::now();
    let mut largest = 0;
    while listener.diary.records.len() < 30_000 {
        assert!(began.elapsed() < DEADLINE);
        let before = listener.diary.records.len();
        listener.poll(Duration::from_millis(10));
        largest = largest.max(listener.diary.records.len() - before);
    }
    assert!(largest <= 20_000, "{largest} in one poll");
}
