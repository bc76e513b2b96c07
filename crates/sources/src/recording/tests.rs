use std::io::{Cursor, Write};

use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::window::{Arm, CellKey, Counts, Custom, Latency};

const HEADER: &str =
    r#"{"recording":"temper/v1","start":"2026-01-01T00:00:00Z","step":"30s","le":[0.1,1]}"#;
const CANARY: &str = r#"{"look":1,"arm":"canary","requests":1,"errors":0}"#;

fn windows(bytes: impl Into<Vec<u8>>) -> Result<Vec<Window>, String> {
    let read = Recording::read("r", Cursor::new(bytes.into())).and_then(Iterator::collect);
    read.map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

fn text(lines: &[&str]) -> String {
    [&[HEADER], lines].concat().join("\n")
}

fn parse(lines: &[&str]) -> Result<Vec<Window>, String> {
    windows(text(lines))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_look_has_its_cells_and_one_without_lines_no_traffic() {
    let windows = parse(&[
        r#"{"look":2,"arm":"canary","stratum":"GET /","pod":"a","requests":6,"errors":1,"latency":[3,2,1]}"#,
        r#"{"look":2,"arm":"stable","requests":9,"errors":0,"native":{"schema":3,"zeroThreshold":1e-128,"zero":4,"buckets":{"-12":5}}}"#,
        r#"{"look":3,"missing":"prometheus was down"}"#,
    ])
    .unwrap();
    let looks: Vec<_> = windows.iter().map(|window| window.look).collect();
    assert_eq!(looks, [1, 2, 3]);
    assert_eq!(windows[0].content, Ok(BTreeMap::new()));
    let canary = CellKey {
        arm: Arm::Canary,
        stratum: "GET /".to_owned(),
        pod: "a".to_owned(),
    };
    let counts = &windows[1].content.as_ref().unwrap()[&canary];
    assert_eq!((counts.requests, counts.errors), (6, 1));
    assert_eq!(
        windows[2].content,
        Err(Missing("prometheus was down".to_owned()))
    );
}

#[test]
fn the_order_of_the_lines_of_a_look_is_of_no_account() {
    let stable = r#"{"look":1,"arm":"stable","requests":9,"errors":0}"#;
    assert_eq!(parse(&[CANARY, stable]), parse(&[stable, CANARY]));
}

#[test]
fn lines_may_state_bounds_of_their_own() {
    let line = r#"{"look":1,"arm":"canary","requests":1,"errors":0,"le":[0.5],"latency":[1,0]}"#;
    let windows = parse(&[line]).unwrap();
    let counts = windows[0]
        .content
        .as_ref()
        .unwrap()
        .values()
        .next()
        .unwrap();
    let expected = Latency::Classic {
        bounds: [0.5].into(),
        counts: vec![1, 0],
    };
    assert_eq!(counts.latency, Some(expected));
}

#[test]
fn compressed_recordings_are_known_by_their_first_bytes_and_may_have_several_parts() {
    let [head, tail] = [format!("{HEADER}\n"), CANARY.to_owned()];
    let plain = windows(format!("{head}{tail}"));
    for compress in [gzip, zstd] {
        let parts = [compress(head.as_bytes()), compress(tail.as_bytes())];
        assert_eq!(windows(parts.concat()), plain);
    }
}

#[test]
fn what_gzip_and_zstd_wrote_is_read() {
    macro_rules! fixture {
        ($name:literal) => {
            windows(*include_bytes!(concat!(
                "../../tests/fixtures/recordings/",
                $name
            )))
        };
    }
    let plain = fixture!("demo.ndjson");
    assert_eq!(plain.as_ref().map(Vec::len), Ok(8));
    assert_eq!(fixture!("demo.ndjson.gz"), plain);
    assert_eq!(fixture!("demo.ndjson.zst"), plain);
}

#[test]
fn a_compressed_recording_that_was_cut_is_no_shorter_one() {
    for compress in [gzip, zstd] {
        let mut bytes = compress(text(&[CANARY, CANARY]).as_bytes());
        bytes.truncate(bytes.len() - 9);
        let error = windows(bytes).unwrap_err();
        assert!(error.starts_with("reading line "), "{error}");
    }
}

/// Each case is what is said, and on the lines under it what is read after the header.
#[test]
fn other_lines_are_refused_with_line_and_column() {
    for case in include_str!("refused.txt").trim_end().split("\n\n") {
        let (refusal, lines) = case.split_once('\n').unwrap();
        let error = parse(&[lines]).unwrap_err();
        let expected = format!("reading the recording r, {refusal}");
        assert!(error.starts_with(&expected), "{lines}\n{error}");
    }
}

#[test]
fn a_line_is_refused_that_is_too_long_or_no_text() {
    let error = parse(&["x".repeat((16 << 20) + 1).as_str()]).unwrap_err();
    assert!(
        error.ends_with("line 2, column 16777216: the line has more than 16777216 bytes"),
        "{error}"
    );
    let error =
        windows([HEADER.as_bytes(), b"\n{\"look\":1,\"missing\":\"\xff\"}"].concat()).unwrap_err();
    assert!(
        error.contains("line 2, column 22: invalid unicode"),
        "{error}"
    );
}

#[test]
fn other_headers_are_refused() {
    let with = |key: &str, value: &str| {
        let mut header: serde_json::Value = serde_json::from_str(HEADER).unwrap();
        header[key] = serde_json::from_str(value).unwrap();
        header.to_string()
    };
    for (header, words) in [
        (String::new(), "is empty"),
        ("{}".to_owned(), "missing field `recording`"),
        (CANARY.to_owned(), "missing field `recording`"),
        (
            with("recording", r#""temper/v9""#),
            r#"form "temper/v1", got "temper/v9""#,
        ),
        (with("start", r#""yesterday""#), r#"got "yesterday""#),
        (with("step", r#""30""#), "such as 30s"),
        (with("step", r#""0s""#), "above 0"),
        (with("le", "[1,0.5]"), "ascending"),
        (with("le", "[1,null]"), "expected f64"),
        (HEADER.replace("0.1,1", "0.1,1e999"), "out of range"),
    ] {
        let error = windows(header.clone()).unwrap_err();
        assert!(
            error.contains("line 1, column") && error.contains(words),
            "{header}: {error}"
        );
    }
    assert_eq!(windows(with("writer", r#""another program""#)), Ok(vec![]));
}

#[test]
fn after_an_error_there_is_nothing_more() {
    let lines = text(&["{}", CANARY]);
    let mut recording = Recording::read("r", Cursor::new(lines)).unwrap();
    assert!(recording.next().unwrap().is_err());
    assert!(recording.next().is_none());
}

#[test]
fn what_a_look_may_take_is_bounded() {
    let pod = "p".repeat(16 << 20 >> 1);
    let lines: Vec<_> = (0..9)
        .map(|n| format!(r#"{{"look":1,"arm":"canary","pod":"{n}{pod}","requests":1,"errors":0}}"#))
        .collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    assert!(parse(&lines[..7]).is_ok());
    assert!(
        parse(&lines)
            .unwrap_err()
            .contains("line 9, column 1: the lines of a look")
    );
}

#[test]
fn a_recording_is_written_in_the_documented_form() {
    let header = Header {
        start: "2026-01-01T00:00:00Z".parse().unwrap(),
        step: Duration::from_secs(30),
        bounds: [0.25, 2.5].into(),
    };
    let lines = [
        r#"{"recording":"temper/v1","start":"2026-01-01T00:00:00Z","step":"30s","le":[0.25,2.5]}"#,
        r#"{"look":1,"arm":"canary","stratum":"GET /","pod":"a","requests":6,"errors":1,"latency":[3,2,1]}"#,
        r#"{"look":1,"arm":"stable","requests":9,"errors":0,"le":[0.5],"latency":[9,0]}"#,
        r#"{"look":2,"arm":"canary","requests":0,"errors":0,"custom":{"cache":{"total":9,"errors":2},"queue":{"value":1.5},"sizes":{"latency":[1,0,0]}}}"#,
        r#"{"look":3,"missing":"why"}"#,
    ];
    let read = windows(lines.join("\n")).unwrap();
    assert_eq!(written(&header, &read), lines.join("\n") + "\n");
}

#[test]
fn values_of_queries_that_are_no_numbers_are_written_as_prometheus_does() {
    for written_value in [r#""NaN""#, r#""+Inf""#, r#""-Inf""#] {
        let line = format!(
            r#"{{"look":1,"arm":"canary","requests":0,"errors":0,"custom":{{"q":{{"value":{written_value}}}}}}}"#
        );
        let windows = parse(&[&line]).unwrap();
        let recording = Recording::read("r", Cursor::new(HEADER)).unwrap();
        assert!(written(recording.header(), &windows).contains(&line));
    }
}

#[test]
fn steps_are_written_as_go_reads_them() {
    for (step, text) in [
        (Duration::from_secs(90), "90s"),
        (Duration::from_millis(1500), "1500ms"),
        (Duration::from_nanos(1), "1ns"),
    ] {
        let header = Header {
            start: Timestamp::UNIX_EPOCH,
            step,
            bounds: [].into(),
        };
        let line = written(&header, &[]);
        assert!(line.contains(&format!(r#""step":"{text}""#)), "{line}");
        assert_eq!(
            Recording::read("r", Cursor::new(line)).unwrap().header(),
            &header
        );
    }
}

fn written(header: &Header, windows: &[Window]) -> String {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    for window in windows {
        writer.write(window).unwrap();
    }
    String::from_utf8(writer.into_inner()).unwrap()
}

fn any_bounds() -> impl Strategy<Value = Arc<[f64]>> {
    let bound = any::<f64>().prop_filter("finite", |bound| bound.is_finite());
    prop::collection::vec(bound, 0..4).prop_map(|mut bounds| {
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        bounds.into()
    })
}

fn any_latency(of_header: Arc<[f64]>) -> impl Strategy<Value = Latency> {
    let classic = prop_oneof![Just(of_header), any_bounds()].prop_flat_map(|bounds| {
        prop::collection::vec(any::<u64>(), bounds.len() + 1).prop_map(move |counts| {
            Latency::Classic {
                bounds: Arc::clone(&bounds),
                counts,
            }
        })
    });
    let buckets = prop::collection::btree_map(any::<i32>(), any::<u64>(), 0..4);
    let native = (-4..=8_i8, 0.0..1.0, any::<u64>(), buckets).prop_map(
        |(schema, zero_threshold, zero, buckets)| Latency::Native {
            schema,
            zero_threshold,
            zero,
            buckets,
        },
    );
    prop_oneof![classic, native]
}

fn any_custom(of_header: Arc<[f64]>) -> impl Strategy<Value = Custom> {
    prop_oneof![
        any::<(u64, u64)>().prop_map(|(total, events)| Custom::Events { total, events }),
        any_latency(of_header).prop_map(Custom::Latency),
        // What is no number equals nothing, not even itself.
        any::<f64>()
            .prop_filter("a number", |value| !value.is_nan())
            .prop_map(Custom::Value),
    ]
}

fn any_counts(of_header: Arc<[f64]>) -> impl Strategy<Value = Counts> {
    let custom = any_custom(Arc::clone(&of_header));
    let custom = prop::collection::btree_map("[a-z]{1,3}", custom, 0..3);
    let latency = prop::option::of(any_latency(of_header));
    (any::<(u64, u64)>(), latency, custom).prop_map(|((requests, errors), latency, custom)| {
        Counts {
            requests,
            errors,
            latency,
            custom,
        }
    })
}

fn any_cell(of_header: Arc<[f64]>) -> impl Strategy<Value = (CellKey, Counts)> {
    let arm = prop_oneof![Just(Arm::Canary), Just(Arm::Stable)];
    let key = (arm, any::<String>(), any::<String>());
    let key = key.prop_map(|(arm, stratum, pod)| CellKey { arm, stratum, pod });
    (key, any_counts(of_header))
}

fn any_content(
    of_header: Arc<[f64]>,
) -> impl Strategy<Value = Result<BTreeMap<CellKey, Counts>, Missing>> {
    let cells = prop::collection::vec(any_cell(of_header), 0..4);
    prop_oneof![
        cells.prop_map(|cells| Ok(cells.into_iter().collect())),
        any::<String>().prop_map(|why| Err(Missing(why))),
    ]
}

prop_compose! {
    fn any_recording()(bounds in any_bounds())(
        contents in prop::collection::vec(any_content(Arc::clone(&bounds)), 0..5),
        second in -1_000_000_000..4_000_000_000_i64,
        step_ns in 1..10_u64.pow(15),
        bounds in Just(bounds),
    ) -> (Header, Vec<Window>) {
        let start = Timestamp::from_second(second).unwrap();
        let header = Header { start, step: Duration::from_nanos(step_ns), bounds };
        (header, (1..).zip(contents).map(|(look, content)| Window { look, content }).collect())
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again((header, mut windows) in any_recording()) {
        let text = written(&header, &windows);
        let mut recording = Recording::read("r", Cursor::new(text)).unwrap();
        prop_assert_eq!(recording.header(), &header);
        let read: Vec<_> = recording.by_ref().collect::<Result<_, _>>().unwrap();
        // Looks without lines at the end have no trace.
        while windows.last().is_some_and(|window| window.content == Ok(BTreeMap::new())) {
            windows.pop();
        }
        prop_assert_eq!(read, windows);
    }

    #[test]
    fn no_bytes_are_too_strange(
        (header, recorded) in any_recording(),
        place in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..20),
        compress in prop::sample::select(vec![|bytes: &[u8]| bytes.to_vec(), gzip, zstd]),
    ) {
        let text = written(&header, &recorded).into_bytes();
        let spoilt = |whole: Vec<u8>| {
            let place = place.index(whole.len());
            let end = whole.len().min(place + bytes.len());
            [&whole[..place], &bytes, &whole[end..]].concat()
        };
        // They end, with windows or an error.
        windows(compress(&spoilt(text.clone()))).ok();
        windows(spoilt(compress(&text))).ok();
        windows(bytes.clone()).ok();
    }
}
