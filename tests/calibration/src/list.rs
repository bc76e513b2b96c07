//! The scenarios: every pitfall of comparing versions look by look, and what the judge is to find.

use crate::{
    edges,
    scenario::{Promise, Scenario},
    world::{Course, DURATIONS, Durations, ERRORS, Errors, HEALTHY, Routes, Traffic, World},
};

use Promise::{Nothing, PassesEarlyAtLeast, PassesEarlyAtMost, RollsBackAtLeast, RollsBackAtMost};

/// What is promised of every version within its margins.
pub(crate) const KEPT: Promise = RollsBackAtMost(0.05);

/// No worse at all.
pub(crate) const STRICT: &str = r#""errors": {"total": "t", "errors": "e", "maxRatio": 1}"#;

/// With the default margin.
pub(crate) const MARGIN: &str = r#""errors": {"total": "t", "errors": "e"}"#;

/// No slower at all.
pub(crate) const LATENCY: &str = r#""latency": {"histogram": "h"}"#;

/// Traffic of a larger service.
pub(crate) const LARGE: Traffic = Traffic::Constant(1000, 9000);

/// One row.
pub(crate) fn row(
    name: &'static str,
    guards: &str,
    looks: u32,
    world: World,
    promise: Promise,
) -> Scenario {
    let minutes = f64::from(looks) / 2.0;
    let seconds = format!("{}s", 60.0 * minutes);
    let early = matches!(promise, PassesEarlyAtMost(_) | PassesEarlyAtLeast(..));
    Scenario {
        name,
        policy: format!(
            r#"{{{guards}, "step": "30s", "horizon": "{seconds}", "earlyPass": {early}}}"#
        ),
        world,
        promise,
        effort: match looks {
            500.. if world.latency.is_some() => 0.05,
            500.. => 0.25,
            60.. if world.latency.is_some() => 0.25,
            _ => 1.0,
        },
    }
}

pub(crate) fn errors(errors: Errors) -> World {
    World {
        errors: Some(errors),
        ..HEALTHY
    }
}

pub(crate) fn latency(durations: Durations) -> World {
    World {
        errors: None,
        latency: Some(durations),
        ..HEALTHY
    }
}

/// All rows of the table.
pub fn all() -> Vec<Scenario> {
    [
        looks(),
        time(),
        traffic(),
        pods(),
        bursts(),
        mixes(),
        margins(),
        safety(),
        worse_errors(),
        slower(),
        edges::all(),
    ]
    .concat()
}

fn looks() -> Vec<Scenario> {
    let native = Durations {
        native: true,
        ..DURATIONS
    };
    let both = World {
        latency: Some(DURATIONS),
        ..HEALTHY
    };
    let ten: Vec<_> = (0..10)
        .map(|metric| format!(r#""m{metric}": {{"total": "t", "errors": "e", "maxRatio": 1}}"#))
        .collect();
    let ten = format!(r#""custom": {{{}}}"#, ten.join(", "));
    let metrics = World {
        metrics: 10,
        ..HEALTHY
    };
    let both_guards = format!("{STRICT}, {LATENCY}");
    vec![
        row("errors, 10 looks", STRICT, 10, HEALTHY, KEPT),
        row("errors, 60 looks", STRICT, 60, HEALTHY, KEPT),
        row("errors, 100 looks", STRICT, 100, HEALTHY, KEPT),
        row("errors, 1000 looks", STRICT, 1000, HEALTHY, KEPT),
        row(
            "latency, classic buckets, 10 looks",
            LATENCY,
            10,
            latency(DURATIONS),
            KEPT,
        ),
        row(
            "latency, native buckets, 10 looks",
            LATENCY,
            10,
            latency(native),
            KEPT,
        ),
        row(
            "latency, classic buckets, 60 looks",
            LATENCY,
            60,
            latency(DURATIONS),
            KEPT,
        ),
        row(
            "latency, classic buckets, 500 looks",
            LATENCY,
            500,
            latency(DURATIONS),
            KEPT,
        ),
        row("errors and latency, 60 looks", &both_guards, 60, both, KEPT),
        row("ten metrics, 10 looks", &ten, 10, metrics, KEPT),
        fixed(row(
            "errors, one look at the end",
            STRICT,
            10,
            HEALTHY,
            KEPT,
        )),
        fixed(row(
            "latency, one look at the end",
            LATENCY,
            10,
            latency(DURATIONS),
            KEPT,
        )),
    ]
}

fn time() -> Vec<Scenario> {
    let course = |course, world: World| World { course, ..world };
    let ramp = |world: World| World {
        traffic: Traffic::Ramp(1000),
        ..world
    };
    let drift = course(
        Course::Drift(25.0),
        ramp(errors(Errors {
            share: 0.002,
            ..ERRORS
        })),
    );
    let slower = course(Course::Drift(2.0), ramp(latency(DURATIONS)));
    vec![
        row(
            "both versions fail 20 times as often in looks 4 to 6",
            STRICT,
            10,
            course(Course::Incident(20.0), HEALTHY),
            KEPT,
        ),
        row("weights from 5 to 90 %", STRICT, 10, ramp(HEALTHY), KEPT),
        row(
            "weights from 5 to 90 %, errors of both grow 25 times",
            STRICT,
            10,
            drift,
            KEPT,
        ),
        row(
            "weights from 5 to 90 %, both get twice as slow",
            LATENCY,
            10,
            slower,
            KEPT,
        ),
        row(
            "errors of both follow their past (0.9)",
            STRICT,
            60,
            course(Course::Autocorrelated(0.9), HEALTHY),
            KEPT,
        ),
        row(
            "latency of both follows its past (0.9)",
            LATENCY,
            60,
            course(Course::Autocorrelated(0.9), latency(DURATIONS)),
            KEPT,
        ),
        row(
            "the canary is three times as slow in look 1",
            LATENCY,
            10,
            latency(Durations {
                cold: true,
                ..DURATIONS
            }),
            Nothing,
        ),
        warm(row(
            "the same, with a warm-up of one look",
            LATENCY,
            11,
            latency(Durations {
                cold: true,
                ..DURATIONS
            }),
            KEPT,
        )),
    ]
}

fn traffic() -> Vec<Scenario> {
    let served = |canary, stable, world: World| World {
        traffic: Traffic::Constant(canary, stable),
        ..world
    };
    let share = |share| errors(Errors { share, ..ERRORS });
    vec![
        row(
            "20 of 200 requests a look, latency",
            LATENCY,
            60,
            served(20, 180, latency(DURATIONS)),
            KEPT,
        ),
        row(
            "5 of 50 requests a look, errors",
            STRICT,
            60,
            served(5, 45, HEALTHY),
            KEPT,
        ),
        row(
            "one canary error expected in all",
            STRICT,
            10,
            share(0.001),
            KEPT,
        ),
        row(
            "a tenth of a canary error expected in all",
            STRICT,
            10,
            share(0.0001),
            KEPT,
        ),
        row("a fifth of all requests fail", STRICT, 60, share(0.2), KEPT),
        row("half of all requests fail", STRICT, 60, share(0.5), KEPT),
        row(
            "900 of 1000 requests are the canary's",
            STRICT,
            60,
            served(900, 100, HEALTHY),
            KEPT,
        ),
        row(
            "100 000 requests a look, a tenth fails",
            STRICT,
            10,
            served(10_000, 90_000, share(0.1)),
            KEPT,
        ),
    ]
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
    let slow = |pods, pods_differ| World {
        pods,
        traffic: LARGE,
        ..latency(Durations {
            pods_differ,
            ..DURATIONS
        })
    };
    vec![
        row(
            "1 canary pod and 9 stable ones, alike",
            MARGIN,
            60,
            differ((1, 9), 0.0),
            KEPT,
        ),
        row(
            "1 and 9 pods, shares of errors differ by 25 %",
            MARGIN,
            60,
            differ((1, 9), 0.25),
            KEPT,
        ),
        row(
            "1 and 9 pods, shares of errors differ by 50 %",
            MARGIN,
            60,
            differ((1, 9), 0.5),
            KEPT,
        ),
        row(
            "1 and 9 pods, shares of errors differ by 100 %",
            MARGIN,
            60,
            differ((1, 9), 1.0),
            KEPT,
        ),
        row(
            "3 and 9 pods, shares of errors differ by 50 %",
            MARGIN,
            60,
            differ((3, 9), 0.5),
            KEPT,
        ),
        row(
            "1 and 9 pods, latency differs by 2 %",
            LATENCY,
            60,
            slow((1, 9), 0.02),
            KEPT,
        ),
        row(
            "1 and 9 pods, latency differs by 10 %",
            LATENCY,
            60,
            slow((1, 9), 0.1),
            KEPT,
        ),
        row(
            "3 and 9 pods, latency differs by 10 %",
            LATENCY,
            60,
            slow((3, 9), 0.1),
            KEPT,
        ),
    ]
}

fn bursts() -> Vec<Scenario> {
    let bursts = World {
        pods: (1, 9),
        ..errors(Errors {
            bursts: true,
            ..ERRORS
        })
    };
    vec![
        row(
            "errors in bursts of 1 to 4, 9 stable pods",
            STRICT,
            60,
            bursts,
            KEPT,
        ),
        row(
            "errors in bursts of 1 to 4, default margin",
            MARGIN,
            60,
            bursts,
            KEPT,
        ),
        row(
            "errors in bursts of 1 to 4, one stable pod to tell by",
            STRICT,
            60,
            World {
                pods: (1, 1),
                ..bursts
            },
            Nothing,
        ),
    ]
}

fn mixes() -> Vec<Scenario> {
    let mix = |slow, told_apart| World {
        traffic: LARGE,
        routes: Routes::Mix { slow, told_apart },
        ..latency(DURATIONS)
    };
    let ten = |first| World {
        traffic: LARGE,
        routes: Routes::Ten { first },
        ..HEALTHY
    };
    vec![
        row(
            "15 % of the canary's requests are of a slow route, 10 % of stable's; not told apart",
            LATENCY,
            10,
            mix(0.15, false),
            Nothing,
        ),
        row(
            "the same, told apart by `strata`",
            LATENCY,
            10,
            mix(0.15, true),
            KEPT,
        ),
        row(
            "20 %, told apart by `strata`",
            LATENCY,
            10,
            mix(0.2, true),
            KEPT,
        ),
        row("ten routes", STRICT, 10, ten(1.0), KEPT),
        row(
            "ten routes, one of which fails 5 times as often",
            STRICT,
            10,
            ten(5.0),
            RollsBackAtLeast(0.95, 10),
        ),
    ]
}

fn margins() -> Vec<Scenario> {
    let increase =
        r#""errors": {"total": "t", "errors": "e", "maxRatio": 1, "maxIncrease": "0.5%"}"#;
    let exceedance = r#""latency": {"histogram": "h", "maxExceedance": "2%"}"#;
    let tenth = r#""latency": {"histogram": "h", "maxSlowdown": "9%"}"#;
    let at = |ratio, increase| {
        errors(Errors {
            ratio,
            increase,
            ..ERRORS
        })
    };
    let slowed = |slowdown, native| World {
        traffic: LARGE,
        ..latency(Durations {
            slowdown,
            native,
            ..DURATIONS
        })
    };
    let beyond = |beyond| World {
        traffic: LARGE,
        ..latency(Durations {
            beyond,
            ..DURATIONS
        })
    };
    vec![
        row("at `maxRatio: 1.5`", MARGIN, 60, at(1.5, 0.0), KEPT),
        row("at `maxIncrease: 0.5%`", increase, 60, at(1.0, 0.005), KEPT),
        row("at `maxExceedance: 2%`", exceedance, 60, beyond(0.02), KEPT),
        row(
            "at `maxSlowdown: 9%`, native buckets",
            tenth,
            10,
            slowed(1.09, true),
            KEPT,
        ),
        row(
            "at `maxSlowdown: 9%`, classic buckets",
            tenth,
            10,
            slowed(1.09, false),
            KEPT,
        ),
        row(
            "6 % beyond `maxSlowdown: 9%`, native buckets",
            tenth,
            10,
            slowed(1.15, true),
            RollsBackAtLeast(0.99, 5),
        ),
        row(
            "2.25 times the errors with `maxRatio: 1.5`",
            MARGIN,
            60,
            at(2.25, 0.0),
            RollsBackAtLeast(0.85, 30),
        ),
    ]
}

fn safety() -> Vec<Scenario> {
    let twice = r#""errors": {"total": "t", "errors": "e", "maxRatio": 2}"#;
    let increase = r#""errors": {"total": "t", "errors": "e", "maxRatio": 1, "maxIncrease": "1%"}"#;
    let exceedance = r#""latency": {"histogram": "h", "maxExceedance": "2%"}"#;
    let at = |ratio, increase| World {
        traffic: LARGE,
        ..errors(Errors {
            ratio,
            increase,
            ..ERRORS
        })
    };
    let beyond = |beyond| World {
        traffic: LARGE,
        ..latency(Durations {
            beyond,
            ..DURATIONS
        })
    };
    let wrong = PassesEarlyAtMost(0.05);
    vec![
        row(
            "proven safe at `maxRatio: 2`",
            twice,
            60,
            at(2.0, 0.0),
            wrong,
        ),
        row(
            "proven safe at `maxIncrease: 1%`",
            increase,
            60,
            at(1.0, 0.01),
            wrong,
        ),
        row(
            "proven safe at `maxExceedance: 2%`",
            exceedance,
            60,
            beyond(0.02),
            wrong,
        ),
        row(
            "healthy, `maxRatio: 2`",
            twice,
            60,
            at(1.0, 0.0),
            PassesEarlyAtLeast(0.95, 20),
        ),
        row(
            "healthy, `maxRatio: 2`, 10 000 canary requests a look",
            twice,
            10,
            World {
                traffic: Traffic::Constant(10_000, 90_000),
                ..at(1.0, 0.0)
            },
            PassesEarlyAtLeast(0.99, 3),
        ),
        row(
            "healthy, `maxExceedance: 2%`",
            exceedance,
            60,
            beyond(0.0),
            PassesEarlyAtLeast(0.95, 30),
        ),
    ]
}

fn worse_errors() -> Vec<Scenario> {
    let times = |ratio| errors(Errors { ratio, ..ERRORS });
    let late = errors(Errors {
        ratio: 2.0,
        from: 60,
        ..ERRORS
    });
    vec![
        row(
            "10 times the errors",
            STRICT,
            10,
            times(10.0),
            RollsBackAtLeast(0.999, 1),
        ),
        row(
            "3 times the errors",
            STRICT,
            10,
            times(3.0),
            RollsBackAtLeast(0.98, 3),
        ),
        row(
            "twice the errors, 10 looks",
            STRICT,
            10,
            times(2.0),
            RollsBackAtLeast(0.65, 10),
        ),
        row(
            "twice the errors, 60 looks",
            STRICT,
            60,
            times(2.0),
            RollsBackAtLeast(0.995, 9),
        ),
        row(
            "twice the errors from look 60 of 120 on",
            STRICT,
            120,
            late,
            RollsBackAtLeast(0.98, 120),
        ),
        row(
            "3 times the errors and 9 stable pods, default margin",
            MARGIN,
            60,
            World {
                pods: (3, 9),
                ..times(3.0)
            },
            RollsBackAtLeast(0.99, 12),
        ),
    ]
}

fn slower() -> Vec<Scenario> {
    let large = |durations| World {
        traffic: LARGE,
        ..latency(durations)
    };
    let slowed = |slowdown, native| Durations {
        slowdown,
        native,
        ..DURATIONS
    };
    let tail = |slow| Durations { slow, ..DURATIONS };
    vec![
        row(
            "1.10 times as slow, classic buckets",
            LATENCY,
            10,
            large(slowed(1.1, false)),
            RollsBackAtLeast(0.99, 3),
        ),
        row(
            "1.10 times as slow, native buckets",
            LATENCY,
            10,
            large(slowed(1.1, true)),
            RollsBackAtLeast(0.99, 3),
        ),
        row(
            "1.05 times as slow, native buckets",
            LATENCY,
            10,
            large(slowed(1.05, true)),
            RollsBackAtLeast(0.95, 5),
        ),
        row(
            "1.25 times as slow, 100 canary requests a look",
            LATENCY,
            10,
            latency(slowed(1.25, false)),
            RollsBackAtLeast(0.99, 4),
        ),
        row(
            "1 % of requests take 10 times as long",
            LATENCY,
            10,
            large(tail(0.01)),
            RollsBackAtLeast(0.99, 3),
        ),
        row(
            "3 % of 100 canary requests a look take 10 times as long",
            LATENCY,
            10,
            latency(tail(0.03)),
            RollsBackAtLeast(0.95, 5),
        ),
        fixed(row(
            "1.10 times as slow, one look at the end",
            LATENCY,
            10,
            latency(slowed(1.1, false)),
            RollsBackAtLeast(0.9, 10),
        )),
    ]
}

pub(crate) fn fixed(mut row: Scenario) -> Scenario {
    row.policy = row.policy.replacen('{', r#"{"test": "fixed", "#, 1);
    row
}

fn warm(mut row: Scenario) -> Scenario {
    row.policy = row.policy.replacen('{', r#"{"warmUp": "30s", "#, 1);
    row
}
