//! A case of the file, which knows what was compared.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::Value;

/// What says how a vector was made.
const REMARKS: [&str; 1] = ["checked_against_scipy"];

const RELATIVE: f64 = 1e-9;

pub(crate) struct Case<'a> {
    pub(crate) id: &'a str,
    pub(crate) input: &'a Value,
    pub(crate) expected: &'a Value,
    compared: RefCell<BTreeSet<String>>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(case: &'a Value) -> Self {
        Self {
            id: case["id"].as_str().expect("a case has an id"),
            input: &case["input"],
            expected: &case["expected"],
            compared: RefCell::default(),
        }
    }

    /// The expected value, which counts as compared from now on.
    pub(crate) fn expected(&self, what: &str) -> &'a Value {
        self.compared.borrow_mut().insert(what.to_owned());
        &self.expected[what]
    }

    pub(crate) fn same(&self, what: &str, got: f64) {
        self.close(what, got, number(self.expected(what)));
    }

    pub(crate) fn same_if_defined(&self, what: &str, got: impl FnOnce() -> f64) {
        if !self.expected(what).is_null() {
            self.same(what, got());
        }
    }

    /// A logarithm that the reference took of p itself: close to p = 1 it knows p to the last place only.
    pub(crate) fn log_of_p(&self, what: &str, got: f64) {
        let expected = self.expected(what);
        if !expected.is_null() && (number(expected) - got).abs() > f64::EPSILON {
            self.same(what, got);
        }
    }

    /// null, or a pair of them, stands for no interval.
    pub(crate) fn same_interval(&self, what: &str, got: Option<(f64, f64)>) {
        let defined = |ends: &Vec<Value>| ends.iter().any(|end| !end.is_null());
        match got {
            Some(got) if self.expected(what).as_array().is_some_and(defined) => {
                self.same_pair(what, got);
            }
            Some(_) => {}
            None => assert!(
                !self.expected(what).as_array().is_some_and(defined),
                "{} {what}",
                self.id
            ),
        }
    }

    /// Within an absolute distance, or a relative one where values are above 1.
    pub(crate) fn near(&self, what: &str, (low, high): (f64, f64), within: f64) {
        let expected = self.expected(what);
        for (got, end) in [(low, &expected[0]), (high, &expected[1])] {
            let (end, id) = (number(end), self.id);
            let near = got == end || (got - end).abs() <= within * end.abs().max(1.0);
            assert!(near || end.is_nan(), "{id} {what}: {got} is not near {end}");
        }
    }

    pub(crate) fn same_pair(&self, what: &str, (low, high): (f64, f64)) {
        let expected = numbers(self.expected(what));
        // Some references have 0 up to rounding where it is 0.
        if low != 0.0 || expected[0].abs() > f64::EPSILON {
            self.close(what, low, expected[0]);
        }
        self.close(what, high, expected[1]);
    }

    pub(crate) fn close(&self, what: &str, got: f64, expected: f64) {
        let close = got.to_bits() == expected.to_bits()
            || (got - expected).abs() <= RELATIVE * expected.abs().max(f64::MIN_POSITIVE)
            || (expected.abs() < 1e-300 && got.abs() < 1e-300);
        assert!(
            close,
            "{} {what}: expected {expected:e}, got {got:e}",
            self.id
        );
    }

    pub(crate) fn input(&self, what: &str) -> f64 {
        number(&self.input[what])
    }

    pub(crate) fn nothing_left_out(&self) {
        for what in self.expected.as_object().expect("an object").keys() {
            assert!(
                self.compared.borrow().contains(what) || REMARKS.contains(&what.as_str()),
                "{}: {what} was not compared",
                self.id
            );
        }
    }
}

pub(crate) fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().expect("a number as text"),
        other => other.as_f64().unwrap_or(f64::NAN),
    }
}

pub(crate) fn counts(value: &Value) -> Vec<u64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|n| n.as_u64().expect("a count"))
        .collect()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}
