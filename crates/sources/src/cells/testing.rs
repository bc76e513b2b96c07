//! What the tests of this folder share.

use super::track::Track;
use crate::Query;
use crate::increase::{Increase, Span, increase};
use crate::reply::Series;

macro_rules! replies {
    ($name:literal) => {
        [
            include_str!(concat!("../../tests/fixtures/2.42/", $name)),
            include_str!(concat!("../../tests/fixtures/3.16/", $name)),
        ]
        .map(|body| {
            serde_json::from_str::<crate::reply::Reply>(body)
                .unwrap()
                .data
                .unwrap()
                .result
        })
    };
}

pub(crate) use replies;

pub(super) fn query() -> Query {
    let arm = crate::Matchers::default();
    Query {
        errors: None,
        latency: None,
        custom: Vec::new(),
        canary: arm.clone(),
        stable: arm,
        strata: Vec::new(),
        pod: "instance".into(),
    }
}

pub(super) fn grown(track: &Track) -> Vec<u64> {
    let (from, to) = (
        track.samples.first().unwrap().time_ms,
        track.samples.last().unwrap().time_ms,
    );
    match increase(
        &track.samples,
        Span {
            from_ms: from,
            to_ms: to,
        },
    ) {
        Increase::Grown(counts) => counts,
        other => panic!("{other:?}"),
    }
}

pub(super) fn series(labels: &[(&str, &str)], values: &[(f64, &str)]) -> Series {
    let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    Series {
        metric: labels.iter().map(own).collect(),
        values: values.iter().map(|(t, v)| (*t, (*v).to_owned())).collect(),
        ..Series::default()
    }
}
