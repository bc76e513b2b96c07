//! What is promised about repeated looks, by walking every path of small rollouts: no simulation, and no seed to be lucky
//! with.

use temper_stats::{
    beta_binomial::Prior,
    block,
    conditional::Events,
    mixture::Mixture,
    numeric::count,
    score,
    spending::{Schedule, Spending},
    tilt::{BETTER, Interval, Margin, Tilt, WORSE},
};

/// What rounding may add to an expectation.
const ROUNDING: f64 = 1e-9;

/// What happens at a look, with its probability: one list for each look.
type Looks<T> = Vec<Vec<(T, f64)>>;

/// Over all paths: the expectation of the evidence after the last look, and the probability that it ever reached `limit`.
fn over_all_paths<T, P: Clone>(
    looks: &[Vec<(T, f64)>],
    process: &P,
    limit: f64,
    observe: &impl Fn(&mut P, &T) -> f64,
) -> (f64, f64) {
    let Some((look, later)) = looks.split_first() else {
        return (0.0, 0.0);
    };
    let (mut expectation, mut reached) = (0.0, 0.0);
    for (outcome, probability) in look {
        let mut next = process.clone();
        let evidence = observe(&mut next, outcome).exp();
        let (at_end, later_reached) = over_all_paths(later, &next, limit, observe);
        expectation += probability * if later.is_empty() { evidence } else { at_end };
        reached += probability
            * if evidence >= limit {
                1.0
            } else {
                later_reached
            };
    }
    (expectation, reached)
}

/// Asserts that nothing is won on average and that no limit is reached more often than it may.
fn assert_fair<T, P: Clone>(
    what: &str,
    looks: &Looks<T>,
    process: &P,
    observe: impl Fn(&mut P, &T) -> f64,
) {
    for limit in [1.5, 4.0, 20.0] {
        let (expectation, reached) = over_all_paths(looks, process, limit, &observe);
        assert!(expectation.ln() <= ROUNDING, "{what}: {expectation}");
        assert!(
            reached <= 1.0 / limit + ROUNDING,
            "{what}: {reached} reach {limit}"
        );
    }
}

/// Probability of each number of events among requests that have one with these probabilities.
fn law(requests: &[f64]) -> Vec<f64> {
    let mut law = vec![1.0];
    for p in requests {
        law.push(0.0);
        for k in (0..law.len()).rev() {
            let one_less = if k > 0 { law[k - 1] } else { 0.0 };
            law[k] = f64::mul_add(law[k], 1.0 - p, one_less * p);
        }
    }
    law
}

/// Every number of events of both arms.
fn outcomes(canary: &[f64], stable: &[f64]) -> Vec<(Interval, f64)> {
    let events = |requests: &[f64]| (0..).zip(law(requests)).collect::<Vec<(u64, f64)>>();
    let exposure = |requests: &[f64]| u64::try_from(requests.len()).expect("few");
    let mut all = Vec::new();
    for (c, p_canary) in events(canary) {
        for (s, p_stable) in events(stable) {
            let interval = Interval {
                canary: c,
                canary_exposure: exposure(canary),
                stable: s,
                stable_exposure: exposure(stable),
            };
            all.push((interval, p_canary * p_stable));
        }
    }
    all
}

/// Three looks under drift and changing weights, the canary at the edge of what the margin allows.
fn drifting(margin: Margin) -> Looks<Interval> {
    let looks = [(2, 5, 0.01), (4, 3, 0.3), (1, 6, 0.1)];
    let outcomes = looks.map(|(canary, stable, rate)| {
        let at_margin = margin.ratio.mul_add(rate, margin.increase);
        outcomes(&vec![at_margin; canary], &vec![rate; stable])
    });
    outcomes.to_vec()
}

fn margins() -> Vec<Margin> {
    let ratios = [1.0, 1.5, 2.0].into_iter();
    let margins = ratios.flat_map(|ratio| [0.0, 0.1].map(|increase| Margin { ratio, increase }));
    margins.collect()
}

fn tilt(process: &mut Tilt<'_>, interval: &Interval) -> f64 {
    process.observe(interval);
    process.ln_evidence()
}

#[test]
fn the_error_e_process_wins_nothing_at_the_margin() {
    for margin in margins() {
        for alternatives in [&WORSE[..], &BETTER[..]] {
            let process = Tilt::new(margin, alternatives);
            assert_fair(&format!("{margin:?}"), &drifting(margin), &process, tilt);
        }
    }
}

#[test]
fn the_error_e_process_wins_nothing_from_requests_that_differ() {
    let margin = Margin {
        ratio: 1.0,
        increase: 0.0,
    };
    // Both arms have a tenth of errors on average, one in some requests only.
    let looks = vec![
        outcomes(&[0.4, 0.0, 0.0, 0.0], &[0.1; 6]),
        outcomes(&[0.1; 3], &[0.5, 0.0, 0.0, 0.0, 0.0]),
    ];
    let process = Tilt::new(margin, &WORSE);
    assert_fair("requests that differ", &looks, &process, tilt);
}

#[test]
fn the_error_e_process_wins_nothing_from_incidents_of_several_errors() {
    let margin = Margin {
        ratio: 1.0,
        increase: 0.0,
    };
    let incidents_of_three = |(interval, p): (Interval, f64)| {
        let (canary, stable) = (3 * interval.canary, 3 * interval.stable);
        let (canary_exposure, stable_exposure) =
            (30 * interval.canary_exposure, 30 * interval.stable_exposure);
        let interval = Interval {
            canary,
            canary_exposure,
            stable,
            stable_exposure,
        };
        (interval, p)
    };
    let look = |rate: f64| {
        let outcomes = outcomes(&[rate; 2], &[rate; 6]);
        outcomes
            .into_iter()
            .map(incidents_of_three)
            .collect::<Vec<_>>()
    };
    let looks = vec![look(0.1), look(0.4), look(0.2)];
    let process = Tilt::new(margin, &WORSE);
    let divided = process.clone().with_events_per_incident(3.0);
    assert_fair("incidents", &looks, &divided, tilt);
    let (undivided, _) = over_all_paths(&looks, &process, 20.0, &tilt);
    assert!(undivided > 2.0, "nothing to divide by: {undivided}");
}

/// Every way in which `n` values fall into three buckets.
fn falls(n: u64, [low, middle, high]: [f64; 3]) -> Vec<([u64; 3], f64)> {
    let power = |p: f64, k: u64| (0..k).map(|_| p).product::<f64>();
    let factorial = |k: u64| (1..=k).map(count).product::<f64>();
    let mut all = Vec::new();
    for a in 0..=n {
        for b in 0..=n - a {
            let c = n - a - b;
            let ways = factorial(n) / (factorial(a) * factorial(b) * factorial(c));
            all.push((
                [a, b, c],
                ways * power(low, a) * power(middle, b) * power(high, c),
            ));
        }
    }
    all
}

type Buckets = ([u64; 3], [u64; 3]);

fn both_fall(canary: (u64, [f64; 3]), stable: (u64, [f64; 3])) -> Vec<(Buckets, f64)> {
    let mut all = Vec::new();
    for (c, p_canary) in falls(canary.0, canary.1) {
        for (s, p_stable) in falls(stable.0, stable.1) {
            all.push(((c, s), p_canary * p_stable));
        }
    }
    all
}

/// Two looks between which everything becomes slower. The canary is as `canary` has it, given what the stable version is.
fn slowing(canary: impl Fn([f64; 3]) -> [f64; 3]) -> Looks<Buckets> {
    let (fast, slow) = ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]);
    vec![
        both_fall((2, canary(fast)), (4, fast)),
        both_fall((3, canary(slow)), (3, slow)),
    ]
}

#[test]
fn the_latency_e_process_wins_nothing_from_a_canary_that_is_no_slower() {
    let mut past = score::Past::default();
    past.absorb(&[50, 40, 10]);
    let process = (past, Mixture::new(score::BETS));
    let alike = slowing(|stable| stable);
    let faster = slowing(|[low, middle, high]| [low + high / 2.0, middle, high / 2.0]);
    for (what, looks) in [("alike", alike), ("faster", faster)] {
        assert_fair(
            what,
            &looks,
            &process,
            |(past, mixture), (canary, stable)| {
                mixture.multiply(past.observe(canary, stable, 0.0));
                mixture.ln_evidence()
            },
        );
    }
}

#[test]
fn the_block_e_process_wins_nothing_from_arms_that_are_alike() {
    let process = (block::Past::new(3), 0.0);
    let looks = slowing(|stable| stable);
    assert_fair(
        "alike",
        &looks,
        &process,
        |(past, sum), (canary, stable)| {
            *sum += past.observe(canary, stable);
            *sum
        },
    );
}

#[test]
fn the_beta_binomial_e_process_wins_nothing_at_its_share() {
    let prior = Prior {
        first: 0.5,
        second: 2.0,
    };
    for share in [0.05, 0.3, 0.5] {
        let event = vec![(1.0, share), (0.0, 1.0 - share)];
        let looks = vec![event; 12];
        for one_sided in [false, true] {
            let what = format!("share {share}, one-sided: {one_sided}");
            assert_fair(&what, &looks, &(0.0, 0.0), |(first, second), event| {
                *first += event;
                *second += 1.0 - event;
                if one_sided {
                    prior.ln_evidence_greater(share, *first, *second)
                } else {
                    prior.ln_evidence(share, *first, *second)
                }
            });
        }
    }
}

/// Probability that the spending test ever rejects.
fn size(looks: &Looks<Interval>, schedule: Schedule) -> f64 {
    let process = (Spending::default(), 0);
    let (_, rejected) = over_all_paths(looks, &process, 1.0, &|(test, look), interval| {
        *look += 1;
        let events = Events {
            first: interval.canary,
            first_exposure: interval.canary_exposure,
            second: interval.stable,
            second_exposure: interval.stable_exposure,
        };
        let all = interval.canary + interval.stable;
        let found = test.look(
            interval.canary,
            all,
            events.share(1.0),
            schedule.spent_by(*look),
        );
        if found.rejects {
            1.0
        } else {
            f64::NEG_INFINITY
        }
    });
    rejected
}

fn schedules(looks: u32) -> [Schedule; 4] {
    [
        Schedule::new(0.2, looks),
        Schedule::pocock(0.2, looks),
        Schedule::obrien_fleming(0.2, looks),
        Schedule::open_ended(0.2),
    ]
}

/// The law it is exact for: so many events in a look, each of which falls to the canary with its share of the exposure.
#[test]
fn spending_keeps_its_budget_for_poisson_events() {
    for (canary, stable) in [(1, 9), (5, 5), (3, 1)] {
        let share = count(canary) / count(canary + stable);
        let look = |events: usize| {
            let law = (0..).zip(law(&vec![share; events]));
            let interval = |first| Interval {
                canary: first,
                canary_exposure: canary,
                stable: u64::try_from(events).expect("few") - first,
                stable_exposure: stable,
            };
            law.map(|(first, p)| (interval(first), p))
                .collect::<Vec<_>>()
        };
        let looks: Looks<_> = [3, 0, 8, 2, 5].map(look).to_vec();
        for schedule in schedules(5) {
            let size = size(&looks, schedule);
            assert!(size <= 0.2 + 1e-12, "{size} at {share} by {schedule:?}");
        }
    }
}

/// Requests that fail or not are spread less than Poisson events, most where half of them fail.
#[test]
fn spending_keeps_its_budget_for_requests_that_often_fail() {
    let mut largest: f64 = 0.0;
    for rate in [0.05, 0.2, 0.5, 0.8, 0.95] {
        for (canary, stable) in [(1, 6), (3, 6), (5, 2)] {
            let look = outcomes(&vec![rate; canary], &vec![rate; stable]);
            let looks = vec![look; 3];
            for schedule in schedules(3) {
                let size = size(&looks, schedule);
                assert!(size <= 0.2 + 1e-12, "{size} at {rate} by {schedule:?}");
                largest = largest.max(size);
            }
        }
    }
    assert!(largest > 0.05, "the test never rejects: {largest}");
}
