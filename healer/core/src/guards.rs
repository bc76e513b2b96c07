//! Limits over all workers: a storm is not the workers' fault, and even a good deed is done slowly.

use std::{collections::VecDeque, time::Duration};

use crate::{Moment, policy::Guards, worker::Hold};

/// What has been used of the limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    storm: Option<Storm>,
    /// When the replacements of the last minute began, as many as count.
    begun: VecDeque<Moment>,
}

/// A share of workers in trouble that no workers' fault explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Storm {
    /// The most workers in trouble at a time.
    peak: usize,
    until: Moment,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Meter {
    /// Notes how many of all workers are in trouble.
    pub(crate) fn weather(&mut self, guards: &Guards, unhealthy: usize, all: usize, now: Moment) {
        let few = unhealthy < usize::try_from(guards.min_unhealthy).unwrap_or(usize::MAX);
        if few || !guards.max_unhealthy.is_exceeded(unhealthy, all) {
            self.storm = None;
            return;
        }
        let peak = self.storm.map_or(0, |storm| storm.peak);
        if unhealthy > peak {
            let until = now.plus(guards.cooldown.duration());
            self.storm = Some(Storm {
                peak: unhealthy,
                until,
            });
        }
    }

    /// Whether everything waits for a storm to pass. One that has stopped growing passes after the cooldown, although those whom it
    /// struck are still in trouble: then they are replaced one by one.
    pub(crate) fn storms(&self, now: Moment) -> bool {
        self.storm.is_some_and(|storm| now < storm.until)
    }

    /// Takes one replacement out of the limits, or says which limit stands against it.
    ///
    /// A minute's share is not used up at once either: no sixth of a minute has more than a sixth of it.
    pub(crate) fn take(
        &mut self,
        guards: &Guards,
        in_flight: usize,
        now: Moment,
    ) -> Result<(), Hold> {
        if let Some(hold) = self.stands_against(guards, in_flight, now) {
            return Err(hold);
        }
        let past = |at: &Moment| now.since(*at) >= MINUTE;
        while self.begun.front().is_some_and(past) {
            self.begun.pop_front();
        }
        self.begun.push_back(now);
        Ok(())
    }

    /// Which limit stands against another replacement.
    pub(crate) fn stands_against(
        &self,
        guards: &Guards,
        in_flight: usize,
        now: Moment,
    ) -> Option<Hold> {
        let many = usize::try_from(guards.per_minute).unwrap_or(usize::MAX);
        if self.storms(now) {
            Some(Hold::Storm)
        } else if in_flight >= usize::try_from(guards.in_flight).unwrap_or(usize::MAX) {
            Some(Hold::InFlight)
        } else if self.began(many, MINUTE, now) || self.began(many.div_ceil(6), MINUTE / 6, now) {
            Some(Hold::Rate)
        } else {
            None
        }
    }

    /// Whether so many have begun within the span until now.
    fn began(&self, many: usize, span: Duration, now: Moment) -> bool {
        let first = self.begun.len().checked_sub(many);
        let first = first.and_then(|index| self.begun.get(index));
        first.is_some_and(|at| now.since(*at) < span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Share, Span};

    const GUARDS: Guards = Guards {
        max_unhealthy: Share::percent(40),
        min_unhealthy: 5,
        cooldown: Span::seconds(60),
        per_minute: 12,
        in_flight: 3,
    };

    fn at(seconds: u64) -> Moment {
        Moment::from_unix_ms(seconds * 1000)
    }

    #[test]
    fn a_storm_holds_until_it_has_stopped_growing_for_the_cooldown() {
        let mut meter = Meter::default();
        meter.weather(&GUARDS, 4, 4, at(0));
        assert!(!meter.storms(at(0)), "four are few");
        meter.weather(&GUARDS, 50, 100, at(1));
        assert_eq!(meter.take(&GUARDS, 0, at(1)), Err(Hold::Storm));
        meter.weather(&GUARDS, 60, 100, at(30));
        meter.weather(&GUARDS, 60, 100, at(60));
        assert!(meter.storms(at(89)));
        assert!(!meter.storms(at(90)), "sixty seconds without a new one");
        meter.weather(&GUARDS, 61, 100, at(95));
        assert!(meter.storms(at(95)), "it grows again");
        meter.weather(&GUARDS, 30, 100, at(96));
        assert!(!meter.storms(at(96)));
    }

    #[test]
    fn no_minute_has_more_than_its_share() {
        let mut meter = Meter::default();
        let mut begun = Vec::new();
        for tenth in 0..6000_u64 {
            let now = Moment::from_unix_ms(tenth * 100);
            if meter.take(&GUARDS, 0, now).is_ok() {
                begun.push(now);
            }
        }
        assert_eq!(begun.len(), 120, "ten minutes of twelve");
        let most_within = |span: Duration| {
            let after = |first: &Moment| {
                let within = |at: &&Moment| *at >= first && at.since(*first) < span;
                begun.iter().filter(within).count()
            };
            begun.iter().map(after).max()
        };
        assert_eq!(most_within(MINUTE), Some(12));
        assert_eq!(most_within(MINUTE / 6), Some(2));
    }

    #[test]
    fn so_many_at_a_time_and_no_more() {
        let mut meter = Meter::default();
        assert_eq!(meter.take(&GUARDS, 3, at(0)), Err(Hold::InFlight));
        assert_eq!(meter.take(&GUARDS, 2, at(0)), Ok(()));
    }
}
