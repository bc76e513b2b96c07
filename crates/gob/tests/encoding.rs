//! What the encoder writes, byte by byte, against streams that Go's decoder was seen to accept.
#![cfg(test)]

use std::collections::BTreeMap;

use serde::Serialize;
use temper_gob::{Decoder, Encoder, Error, Interface, Opaque, Time, Type, Value, Zone};

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Measurement {
    phase: &'static str,
    message: String,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    value: String,
    metadata: Option<BTreeMap<String, String>>,
    resume_at: Option<Time>,
}

fn measurement() -> Type {
    let time = || Type::gob_encoder("");
    let fields = [
        ("Phase", Type::string()),
        ("Message", Type::string()),
        ("StartedAt", time()),
        ("FinishedAt", time()),
        ("Value", Type::string()),
        ("Metadata", Type::map(Type::string(), Type::string())),
        ("ResumeAt", time()),
    ];
    Type::structure("", fields)
}

fn encoded<T: Serialize>(encoder: &mut Encoder, ty: &Type, value: &T) -> String {
    let mut out = Vec::new();
    encoder.encode(ty, value, &mut out).unwrap();
    hex::encode(out)
}

fn refusal<T: Serialize>(ty: &Type, value: &T) -> String {
    let mut out = Vec::new();
    let error = Encoder::new().encode(ty, value, &mut out).unwrap_err();
    assert!(out.is_empty(), "something was written in spite of {error}");
    error.to_string()
}

#[test]
fn the_replies_of_a_metric_plugin_are_those_that_go_accepts() {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Response {
        service_method: &'static str,
        seq: u64,
        error: &'static str,
    }
    let response = Type::structure(
        "Response",
        [
            ("ServiceMethod", Type::string()),
            ("Seq", Type::uint()),
            ("Error", Type::string()),
        ],
    );
    let rpc_error = Type::structure("RpcError", [("ErrorString", Type::string())]);
    let mut encoder = Encoder::new();
    let header = Response {
        service_method: "P",
        seq: 0,
        error: "",
    };
    assert_eq!(
        encoded(&mut encoder, &response, &header),
        "3aff8103010108526573706f6e736501ff82000103010d536572766963654d6574686f64010c000103536571\
         01060001054572726f72010c000000\
         06ff8201015000"
    );
    let no_error = BTreeMap::from([("ErrorString", "")]);
    assert_eq!(
        encoded(&mut encoder, &rpc_error, &no_error),
        "26ff83030101085270634572726f7201ff84000101010b4572726f72537472696e67010c000000\
         03ff8400"
    );
    let running = Measurement {
        phase: "Running",
        started_at: Some(Time::utc(1_767_323_045, 6000)),
        ..Measurement::default()
    };
    assert_eq!(
        encoded(&mut encoder, &measurement(), &running),
        "67ff85030102ff8600010701055068617365010c0001074d657373616765010c00010953746172746564417401\
         ff8800010a46696e6973686564417401ff8800010556616c7565010c0001084d6574616461746101ff8a000108\
         526573756d65417401ff88000000\
         0aff87050102ff88000000\
         0eff89040102ff8a00010c010c0000\
         1dff86010752756e6e696e67020f010000000ee0e92ca500001770ffff00"
    );
    let nothing = Type::structure("", []);
    assert_eq!(
        encoded(&mut encoder, &nothing, &()),
        "0aff8b030102ff8c00000003ff8c00"
    );
    assert_eq!(encoded(&mut encoder, &rpc_error, &no_error), "03ff8400");
    assert_eq!(encoded(&mut encoder, &Type::uint(), &1_u32), "03060001");
    assert_eq!(encoded(&mut encoder, &Type::string(), &"x"), "040c000178");
}

#[test]
fn what_is_zero_is_left_out_of_structures_and_sent_elsewhere() {
    let point = Type::structure("", [("X", Type::int()), ("Y", Type::int())]);
    let mut encoder = Encoder::new();
    encoded(&mut encoder, &Type::list(point.clone()), &Vec::<()>::new());
    let value = BTreeMap::from([("X", 0), ("Y", -3)]);
    assert_eq!(encoded(&mut encoder, &point, &value), "05ff84020500");
    let list = Type::list(Type::int());
    encoded(&mut encoder, &list, &[1]);
    assert_eq!(encoded(&mut encoder, &list, &[0, 0]), "06ff8600020000");
    assert_eq!(encoded(&mut encoder, &Type::float(), &-0.0), "040800ff80");
}

/// A structure with one field of each way of being empty.
#[test]
fn what_go_never_leaves_out_is_sent_though_it_is_empty() {
    #[derive(Serialize)]
    struct Empty {
        list: Vec<i64>,
        map: BTreeMap<String, i64>,
        nil_map: Option<BTreeMap<String, i64>>,
        array: [i64; 2],
        structure: (),
        time: Time,
        pointer: Option<Time>,
        opaque: Opaque,
        interface: Interface<i64>,
        complex: (f64, f64),
    }
    let map = Type::map(Type::string(), Type::int());
    let fields = [
        ("list", Type::list(Type::int())),
        ("map", map.clone()),
        ("nil_map", map),
        ("array", Type::array(Type::int(), 2)),
        ("structure", Type::structure("", [])),
        ("time", Type::gob_encoder("Time")),
        ("pointer", Type::gob_encoder("Time")),
        ("opaque", Type::gob_encoder("")),
        ("interface", Type::interface([("int", Type::int())])),
        ("complex", Type::complex()),
    ];
    let value = Empty {
        list: vec![],
        map: BTreeMap::new(),
        nil_map: None,
        array: [0; 2],
        structure: (),
        time: Time::default(),
        pointer: Some(Time::default()),
        opaque: Opaque(vec![0]),
        interface: Interface::nil(),
        complex: (0.0, -0.0),
    };
    let mut out = Vec::new();
    Encoder::new()
        .encode(&Type::structure("Empty", fields), &value, &mut out)
        .unwrap();
    let mut decoder = Decoder::default();
    decoder.push(&out).unwrap();
    let Some(Value::Struct { fields, .. }) = decoder.next_value().unwrap() else {
        panic!()
    };
    let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["map", "array", "structure", "pointer", "opaque"]);
}

#[test]
fn fields_may_come_in_any_order() {
    #[derive(Serialize)]
    struct Backwards {
        c: u8,
        b: u8,
        a: u8,
    }
    let ty = Type::structure(
        "",
        [
            ("a", Type::uint()),
            ("b", Type::uint()),
            ("c", Type::uint()),
        ],
    );
    let mut encoder = Encoder::new();
    encoded(&mut encoder, &ty, &Backwards { a: 0, b: 0, c: 0 });
    assert_eq!(
        encoded(&mut encoder, &ty, &Backwards { a: 1, b: 0, c: 3 }),
        "07ff820101020300"
    );
}

#[test]
fn types_of_equal_content_are_defined_once() {
    let build = || {
        Type::recursive("List", |list| {
            Type::structure("List", [("V", Type::int()), ("Next", Type::list(list))])
        })
    };
    let value = BTreeMap::from([("V", 1)]);
    let mut encoder = Encoder::new();
    let first = encoded(&mut encoder, &build(), &value);
    let second = encoded(&mut encoder, &build(), &value);
    assert_eq!(second, "05ff82010200");
    assert!(first.ends_with(&second) && first.len() > second.len());
}

#[test]
fn a_value_that_its_type_cannot_hold_is_refused_by_its_path() {
    let point = Type::structure("Point", [("X", Type::int())]);
    let points = Type::structure("Line", [("Points", Type::list(point))]);
    let wrong = BTreeMap::from([("Points", [BTreeMap::from([("X", "one")])])]);
    assert_eq!(
        refusal(&points, &wrong),
        "encoding gob value `Points[0].X`: expected an int, got a string"
    );
    let unknown = BTreeMap::from([("Z", 1)]);
    assert_eq!(
        refusal(&points, &unknown),
        "encoding gob value: expected a field that the type lists, got `Z`"
    );
    assert_eq!(
        refusal(&Type::uint(), &-1),
        "encoding gob value: expected a uint, got -1"
    );
    assert_eq!(
        refusal(&Type::list(Type::int()), &[None::<i64>]),
        "encoding gob value `[0]`: expected an int, got nil, which Go cannot send here"
    );
    assert_eq!(
        refusal(&Type::int(), &None::<i64>),
        "encoding gob value: expected an int, got nothing"
    );
    assert_eq!(
        refusal(&Type::array(Type::int(), 3), &[1, 2]),
        "encoding gob value: expected an array of 3 elements, got 2"
    );
    let any = Type::interface([("int", Type::int())]);
    assert_eq!(
        refusal(
            &any,
            &Interface {
                name: "float64".to_owned(),
                value: Some(1.0)
            }
        ),
        "encoding gob value: expected a name that the interface's type lists, got `float64`"
    );
    let zone = Time {
        zone: Zone::Offset(-60),
        ..Time::default()
    };
    assert!(refusal(&Type::gob_encoder("Time"), &zone).ends_with("got -60 s east of UTC"));
}

#[test]
fn an_encoder_goes_on_after_a_value_that_it_refused() {
    let point = Type::structure("Point", [("X", Type::int())]);
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    let error = encoder
        .encode(&point, &BTreeMap::from([("X", "one")]), &mut out)
        .unwrap_err();
    assert!(matches!(error, Error::Unencodable { .. }), "{error}");
    encoder
        .encode(&point, &BTreeMap::from([("X", 1)]), &mut out)
        .unwrap();
    let mut decoder = Decoder::default();
    decoder.push(&out).unwrap();
    assert_eq!(
        decoder.next().unwrap(),
        Some(BTreeMap::from([("X".to_owned(), 1)]))
    );
}
