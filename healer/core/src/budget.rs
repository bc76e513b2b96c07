//! How often one worker is replaced: attempts, growing waits, and an end to what does not help.
//!
//! Everything follows from the list of past replacements, which the successor carries in an annotation, so that it survives the healer.

use std::time::Duration;

use crate::{Fingerprint, Moment, job::Heal, policy::Attempts};

/// Older replacements than so many are not written down.
pub(crate) const REMEMBERED: usize = 100;

/// What the past allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    Now,
    /// Not before then: the wait between attempts has not passed.
    Backoff(Moment),
    /// Not before then: too many attempts in the window.
    Exhausted(Moment),
    /// The same error every time: another Job would fail as well.
    SameError(u32),
}

pub(crate) fn allowance(
    heals: &[Heal],
    attempts: &Attempts,
    error: Option<Fingerprint>,
    well_until: Moment,
    now: Moment,
) -> Allowance {
    let chain = chain(heals, attempts.healthy_after.duration(), well_until);
    let same = repeated(chain, error);
    if same >= attempts.same_error.max(1) {
        return Allowance::SameError(same);
    }
    if let Some(until) = exhausted(heals, attempts, now) {
        return Allowance::Exhausted(until);
    }
    let Some(last) = chain.last() else {
        return Allowance::Now;
    };
    let until = last.at.plus(wait(chain.len(), attempts));
    if now < until {
        Allowance::Backoff(until)
    } else {
        Allowance::Now
    }
}

/// The past and one more, as it is written down.
pub(crate) fn with_one_more(heals: &[Heal], heal: Heal) -> Vec<Heal> {
    let skipped = heals.len().saturating_sub(REMEMBERED - 1);
    heals.iter().skip(skipped).copied().chain([heal]).collect()
}

/// The replacements since the worker was last well for long, as it was `well_until` then or never.
fn chain(heals: &[Heal], healthy_after: Duration, well_until: Moment) -> &[Heal] {
    let mut later = well_until;
    let unbroken = heals.iter().rev().take_while(|heal| {
        let broken = later.since(heal.at) > healthy_after;
        later = heal.at;
        !broken
    });
    let first = heals.len() - unbroken.count();
    heals.get(first..).unwrap_or_default()
}

/// How many of the last replacements were for this error.
fn repeated(chain: &[Heal], error: Option<Fingerprint>) -> u32 {
    let same = chain
        .iter()
        .rev()
        .take_while(|heal| error.is_some() && heal.error == error);
    u32::try_from(same.count()).unwrap_or(u32::MAX)
}

/// Until when there are too many in the window.
fn exhausted(heals: &[Heal], attempts: &Attempts, now: Moment) -> Option<Moment> {
    let window = attempts.within.duration();
    let max = usize::try_from(attempts.max.max(1)).unwrap_or(usize::MAX);
    let oldest_that_counts = heals.len().checked_sub(max)?;
    let until = heals.get(oldest_that_counts)?.at.plus(window);
    (now < until).then_some(until)
}

/// The wait after the n-th replacement in a row.
fn wait(n: usize, attempts: &Attempts) -> Duration {
    let doublings = u32::try_from(n.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(20);
    let wait = attempts.backoff.duration().saturating_mul(1 << doublings);
    wait.min(attempts.max_backoff.duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_unix_ms(1_000_000_000 + seconds * 1000)
    }

    fn heals(seconds: &[u64]) -> Vec<Heal> {
        let error = Some(Fingerprint::of("disk full"));
        seconds
            .iter()
            .map(|&second| Heal {
                at: at(second),
                error,
            })
            .collect()
    }

    #[test]
    fn waits_double_and_begin_anew_after_a_healthy_time() {
        let rules = Attempts::default();
        let allowed = |past: &[u64], now| allowance(&heals(past), &rules, None, at(now), at(now));
        assert_eq!(allowed(&[], 0), Allowance::Now);
        assert_eq!(allowed(&[0], 9), Allowance::Backoff(at(10)));
        assert_eq!(allowed(&[0], 10), Allowance::Now);
        assert_eq!(allowed(&[0, 10, 30], 60), Allowance::Backoff(at(70)));
        assert_eq!(allowed(&[0, 10, 1000], 1005), Allowance::Backoff(at(1010)));
    }

    #[test]
    fn too_many_in_the_window_wait_for_the_oldest_to_leave_it() {
        let past = heals(&[0, 100, 200, 300, 400]);
        let allowed = |now| allowance(&past, &Attempts::default(), None, at(now), at(now));
        let now = allowed(3000);
        assert_eq!(now, Allowance::Exhausted(at(3600)));
        assert_eq!(allowed(3600), Allowance::Now);
    }

    #[test]
    fn the_same_error_is_not_tried_a_fourth_time() {
        let same = Some(Fingerprint::of("disk full"));
        let past = heals(&[0, 20, 60]);
        let rules = Attempts::default();
        let allowed = |error, now| allowance(&past, &rules, error, at(now), at(now));
        assert_eq!(allowed(same, 500), Allowance::SameError(3));
        let other = Some(Fingerprint::of("no route"));
        assert_eq!(allowed(other, 500), Allowance::Now);
        assert_eq!(allowed(same, 5000), Allowance::Now, "it was well for long");
        assert_eq!(
            allowance(&past, &rules, same, at(500), at(5000)),
            Allowance::SameError(3),
            "it was not well while it had to wait"
        );
    }

    #[test]
    fn what_is_written_down_is_bounded() {
        let past = heals(&(0..300).collect::<Vec<_>>());
        let written = with_one_more(
            &past,
            Heal {
                at: at(999),
                error: None,
            },
        );
        assert_eq!(written.len(), REMEMBERED);
        assert_eq!(written.last().unwrap().at, at(999));
    }
}
