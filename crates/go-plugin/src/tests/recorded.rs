//! Sessions of real hosts, recorded: see `tests/fixtures/README.md`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use temper_gob::Decoder;

use crate::yamux::{Event, Flags, HEADER_BYTES, Header, Kind, Session};

const SESSIONS: [(&str, &[u8]); 3] = [
    (
        "smoke",
        include_bytes!("../../tests/fixtures/smoke.h2p.bin"),
    ),
    (
        "smoke-gp1.4.10",
        include_bytes!("../../tests/fixtures/smoke-gp1.4.10.h2p.bin"),
    ),
    (
        "smoke-gp1.8.0",
        include_bytes!("../../tests/fixtures/smoke-gp1.8.0.h2p.bin"),
    ),
];

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Request {
    service_method: String,
}

/// What a session made of a recording, cut into pieces of this size.
fn replay(recording: &[u8], piece: usize) -> (BTreeMap<u32, Vec<u8>>, Vec<Header>) {
    let mut session = Session::default();
    let mut streams = BTreeMap::<u32, Vec<u8>>::new();
    let mut said = Vec::new();
    for piece in recording.chunks(piece) {
        session.receive(Bytes::copy_from_slice(piece)).unwrap();
        while let Some(event) = session.next_event() {
            match event {
                Event::Opened(id) => assert_eq!(streams.insert(id, Vec::new()), None),
                Event::Data(id, bytes) => streams.get_mut(&id).unwrap().extend(bytes),
                Event::Finished(id) => assert!(streams.contains_key(&id)),
                Event::Reset(id) => panic!("the host reset stream {id}"),
            }
        }
        said.extend(session.take_unsent());
    }
    let frames = said.chunks(HEADER_BYTES);
    (
        streams,
        frames
            .map(|head| Header::decode(head.try_into().unwrap()).unwrap())
            .collect(),
    )
}

fn methods(gob: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::default();
    decoder.push(gob).unwrap();
    let mut methods = Vec::new();
    while let Some(request) = decoder.next::<Request>().unwrap() {
        decoder
            .skip()
            .unwrap()
            .expect("a header is followed by a body");
        methods.push(request.service_method);
    }
    assert!(decoder.is_idle());
    methods
}

#[test]
fn every_call_of_a_recorded_host_comes_out_however_its_bytes_are_cut() {
    for (name, recording) in SESSIONS {
        let whole = replay(recording, usize::MAX);
        for piece in [1, 7, 12, 13, 4096] {
            assert_eq!(
                replay(recording, piece),
                whole,
                "{name} in pieces of {piece}"
            );
        }
        let (streams, _) = whole;
        assert_eq!(
            streams.keys().collect::<Vec<_>>(),
            [&1, &3, &5, &7],
            "{name}"
        );
        let control = methods(&streams[&1]);
        assert_eq!(
            control[..2],
            ["Dispenser.Dispense", "Control.Ping"],
            "{name}"
        );
        assert_eq!(control.last().unwrap(), "Control.Quit", "{name}");
        assert_eq!(streams[&7][..4], 1_u32.to_le_bytes(), "{name}");
        let calls = methods(&streams[&7][4..]);
        for method in [
            "InitPlugin",
            "Type",
            "Run",
            "Resume",
            "Terminate",
            "GarbageCollect",
            "GetMetadata",
        ] {
            assert!(
                calls.contains(&format!("Plugin.{method}")),
                "{name} lacks {method}"
            );
        }
    }
}

#[test]
fn a_recorded_host_is_told_of_each_stream_once_and_nothing_it_did_not_ask_for() {
    for (name, recording) in SESSIONS {
        let (_, said) = replay(recording, usize::MAX);
        let acknowledged: Vec<_> = said
            .iter()
            .filter(|head| head.kind == Kind::WindowUpdate)
            .collect();
        assert_eq!(acknowledged.len(), 4, "{name}");
        assert!(
            acknowledged.iter().all(|head| head.flags == Flags::ACK),
            "{name}"
        );
    }
}
