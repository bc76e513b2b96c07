//! More scenarios: two difficulties at once, margins where events are common, and safety where pods, bursts or weights disturb it.

use crate::{
    list::{KEPT, LARGE, LATENCY, MARGIN, STRICT, errors, fixed, latency, row},
    scenario::{Promise, Scenario},
    world::{Course, DURATIONS, Durations, ERRORS, Errors, HEALTHY, Routes, Traffic, World},
};

use Promise::{Nothing, PassesEarlyAtMost, RollsBackAtLeast};

/// Twice the share of errors is allowed.
const TWICE: &str = r#""errors": {"total": "t", "errors": "e", "maxRatio": 2}"#;

/// A half more errors, and half a per cent of the requests on top.
const BOTH_MARGINS: &str =
    r#""errors": {"total": "t", "errors": "e", "maxRatio": 1.5, "maxIncrease": "0.5%"}"#;

/// So many more requests above any bound.
const EXCEEDANCE: &str = r#""latency": {"histogram": "h", "maxExceedance": "2%"}"#;

/// One bucket of a native histogram of schema 3 is 9.05 %.
const SLOWDOWN: &str = r#""latency": {"histogram": "h", "maxSlowdown": "9%"}"#;

/// What is proven safe is at the edge of the margin in so few rollouts.
const RARELY_SAFE: Promise = PassesEarlyAtMost(0.05);

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    [
        pods(),
        bursts(),
        common(),
        time(),
        once(),
        safety(),
        small(),
    ]
    .concat()
}

fn at_margin(ratio: f64, share: f64) -> Errors {
    Errors {
        share,
        ratio,
        ..ERRORS
    }
}

fn pods() -> Vec<Scenario> {
    let differ = |pods, pods_differ| World {
        pods,
        traffic: LARGE,
        ..errors(Errors {
            pods_differ,
            ..ERRORS
        })
    };
    let strict = |name, pods, differs| row(name, STRICT, 60, differ(pods, differs), KEPT);
    let margin = |name, pods, differs| row(name, MARGIN, 60, differ(pods, differs), KEPT);
    vec![
        strict(
            "1 and 9 pods, errors differ by 25 %, no margin",
            (1, 9),
            0.25,
        ),
        strict(
            "1 and 9 pods, errors differ by 50 %, no margin",
            (1, 9),
            0.5,
        ),
        strict(
            "1 and 9 pods, errors differ by 100 %, no margin",
            (1, 9),
            1.0,
        ),
        strict(
            "3 and 9 pods, errors differ by 25 %, no margin",
            (3, 9),
            0.25,
        ),
        strict(
            "3 and 9 pods, errors differ by 50 %, no margin",
            (3, 9),
            0.5,
        ),
        strict(
            "3 and 9 pods, errors differ by 100 %, no margin",
            (3, 9),
            1.0,
        ),
        margin("3 and 9 pods, errors differ by 25 %", (3, 9), 0.25),
        margin("3 and 9 pods, errors differ by 100 %", (3, 9), 1.0),
        margin("1 and 3 pods, errors differ by 50 %", (1, 3), 0.5),
        row(
            "1 and 2 pods, errors differ by 50 %: too few to measure by",
            MARGIN,
            60,
            differ((1, 2), 0.5),
            Nothing,
        ),
    ]
}

fn bursts() -> Vec<Scenario> {
    let bursts = |pods, errors_: Errors| World {
        pods,
        ..errors(Errors {
            bursts: true,
            ..errors_
        })
    };
    let both = Errors {
        pods_differ: 0.5,
        ..ERRORS
    };
    vec![
        row(
            "bursts of 1 to 4, 10 looks",
            STRICT,
            10,
            bursts((1, 9), ERRORS),
            KEPT,
        ),
        row(
            "bursts of 1 to 4, 3 and 9 pods",
            STRICT,
            60,
            bursts((3, 9), ERRORS),
            KEPT,
        ),
        row(
            "bursts of 1 to 4, 3 stable pods: too few to know by the first looks",
            STRICT,
            60,
            bursts((1, 3), ERRORS),
            Nothing,
        ),
        row(
            "bursts of 1 to 4, rare: the first one seen may be the canary's",
            STRICT,
            60,
            bursts((1, 9), at_margin(1.0, 0.001)),
            Nothing,
        ),
        row(
            "bursts of 1 to 4 at `maxRatio: 1.5`",
            MARGIN,
            60,
            bursts((1, 9), at_margin(1.5, 0.01)),
            KEPT,
        ),
        row(
            "bursts of 1 to 4, and pods differ by 50 %",
            MARGIN,
            60,
            bursts((1, 9), both),
            KEPT,
        ),
        fixed(row(
            "bursts of 1 to 4, one look at the end",
            STRICT,
            10,
            bursts((1, 9), ERRORS),
            KEPT,
        )),
    ]
}

fn common() -> Vec<Scenario> {
    let even = Traffic::Constant(300, 300);
    let at = |traffic, share| World {
        traffic,
        ..errors(at_margin(1.5, share))
    };
    let sum = errors(Errors {
        ratio: 1.5,
        increase: 0.005,
        ..ERRORS
    });
    vec![
        row(
            "at `maxRatio: 1.5`, a fifth of stable's requests fail",
            MARGIN,
            60,
            at(HEALTHY.traffic, 0.2),
            KEPT,
        ),
        row("the same at even traffic", MARGIN, 60, at(even, 0.2), KEPT),
        row(
            "at the sum of `maxRatio: 1.5` and `maxIncrease: 0.5%`",
            BOTH_MARGINS,
            60,
            sum,
            KEPT,
        ),
    ]
}

fn time() -> Vec<Scenario> {
    let ramp = |world: World| World {
        traffic: Traffic::Ramp(1000),
        ..world
    };
    let drift = |world: World| World {
        course: Course::Drift(25.0),
        ..ramp(world)
    };
    let incident = |world: World| World {
        course: Course::Incident(3.0),
        ..world
    };
    let native = Durations {
        native: true,
        ..DURATIONS
    };
    let routes = World {
        routes: Routes::Ten { first: 1.0 },
        ..drift(errors(at_margin(1.0, 0.002)))
    };
    vec![
        row(
            "at `maxRatio: 1.5`, weights from 5 to 90 %, errors of both grow 25 times",
            MARGIN,
            60,
            drift(errors(at_margin(1.5, 0.002))),
            KEPT,
        ),
        row(
            "the same at equal errors over ten routes",
            STRICT,
            20,
            routes,
            KEPT,
        ),
        row(
            "both versions three times as slow in looks 4 to 6",
            LATENCY,
            10,
            incident(latency(DURATIONS)),
            KEPT,
        ),
        row(
            "the same on native buckets",
            LATENCY,
            10,
            incident(latency(native)),
            KEPT,
        ),
        row(
            "latency, native buckets, 60 looks",
            LATENCY,
            60,
            latency(native),
            KEPT,
        ),
        row(
            "latency, classic buckets, 1000 looks",
            LATENCY,
            1000,
            latency(DURATIONS),
            KEPT,
        ),
    ]
}

fn once() -> Vec<Scenario> {
    let even = Traffic::Constant(500, 500);
    let beyond = World {
        traffic: even,
        ..latency(Durations {
            beyond: 0.02,
            ..DURATIONS
        })
    };
    let drift = World {
        traffic: Traffic::Ramp(1000),
        course: Course::Drift(2.0),
        ..latency(DURATIONS)
    };
    let drifting_errors = World {
        traffic: Traffic::Ramp(1000),
        course: Course::Drift(25.0),
        ..errors(at_margin(1.0, 0.002))
    };
    let one = |name, guards, world| fixed(row(name, guards, 10, world, KEPT));
    vec![
        one(
            "at `maxRatio: 1.5`, one look at the end",
            MARGIN,
            errors(at_margin(1.5, 0.01)),
        ),
        one(
            "at `maxExceedance: 2%`, even traffic, one look at the end",
            EXCEEDANCE,
            beyond,
        ),
        one(
            "weights from 5 to 90 %, both twice as slow, one look at the end",
            LATENCY,
            drift,
        ),
        one(
            "weights from 5 to 90 %, errors of both grow, one look at the end",
            STRICT,
            drifting_errors,
        ),
    ]
}

fn safety() -> Vec<Scenario> {
    let pods = |pods_differ, bursts| World {
        pods: (3, 9),
        traffic: LARGE,
        ..errors(Errors {
            ratio: 2.0,
            pods_differ,
            bursts,
            ..ERRORS
        })
    };
    let ramp = World {
        traffic: Traffic::Ramp(10_000),
        course: Course::Drift(25.0),
        ..errors(at_margin(2.0, 0.002))
    };
    let slowed = World {
        traffic: LARGE,
        ..latency(Durations {
            native: true,
            slowdown: 1.0905,
            ..DURATIONS
        })
    };
    // Nine good routes of ten, and one that brings the whole to twice the errors.
    let route = World {
        traffic: LARGE,
        routes: Routes::Ten { first: 11.0 },
        ..HEALTHY
    };
    vec![
        row(
            "proven safe at `maxRatio: 2`, weights and errors grow",
            TWICE,
            20,
            ramp,
            RARELY_SAFE,
        ),
        row(
            "proven safe at `maxRatio: 2`, pods differ by 50 %",
            TWICE,
            60,
            pods(0.5, false),
            RARELY_SAFE,
        ),
        row(
            "proven safe at `maxRatio: 2`, bursts of 1 to 4",
            TWICE,
            60,
            pods(0.0, true),
            RARELY_SAFE,
        ),
        row(
            "proven safe at `maxRatio: 2`, by one route of ten",
            TWICE,
            20,
            route,
            RARELY_SAFE,
        ),
        row(
            "proven safe at `maxSlowdown: 9%`, native buckets",
            SLOWDOWN,
            20,
            slowed,
            RARELY_SAFE,
        ),
    ]
}

fn small() -> Vec<Scenario> {
    let mix = |slow, told_apart| World {
        traffic: LARGE,
        routes: Routes::Mix { slow, told_apart },
        ..latency(DURATIONS)
    };
    let invisible = |slowdown| {
        latency(Durations {
            median: 0.0005,
            slowdown,
            ..DURATIONS
        })
    };
    let many_small = World {
        pods: (1, 9),
        traffic: Traffic::Constant(5, 45),
        ..errors(at_margin(1.0, 0.05))
    };
    vec![
        row(
            "12 % of the canary's requests are of a slow route, not told apart",
            LATENCY,
            10,
            mix(0.12, false),
            Nothing,
        ),
        row(
            "12 %, told apart by `strata`",
            LATENCY,
            10,
            mix(0.12, true),
            KEPT,
        ),
        row(
            "99.8 % of requests below the first bound",
            LATENCY,
            10,
            invisible(1.0),
            KEPT,
        ),
        row(
            "the same, the canary 1.5 times as slow: told by 0.9 % above that bound",
            LATENCY,
            10,
            invisible(1.5),
            Nothing,
        ),
        row(
            "9 stable pods with 5 requests a look each",
            STRICT,
            60,
            many_small,
            KEPT,
        ),
        row(
            "2.25 times the errors, 60 looks, no margin",
            STRICT,
            60,
            errors(at_margin(2.25, 0.01)),
            RollsBackAtLeast(0.99, 9),
        ),
    ]
}
