//! How far a partition has been read, and what that proves.

use std::collections::VecDeque;

use temper_healer_core::Moment;

/// One partition's reading.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The offset of the next record to hand over.
    next: i64,
    /// The end that was told last.
    end: Option<i64>,
    /// The highest end since the reading began: a lower one proves nothing.
    highest: i64,
    /// Ends not yet reached, the oldest first.
    awaited: VecDeque<Awaited>,
    /// Offsets that were passed over, and perhaps never read because they were deleted.
    gap: Option<(i64, i64)>,
    /// Where the oldest record was found beyond us, and where we were then.
    overtaken: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    asked: Moment,
    high: i64,
}

/// Records of offsets `from` to `to` that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// What a floor means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floor {
    /// All is well.
    Below,
    /// Records were deleted before they were read; reading has gone on behind them.
    Outran(Missing),
    /// The same, and nothing has come since: it must begin there anew.
    Stranded(Missing),
}

/// So many ends are kept while reading lags behind. The newest takes the place of the one before.
const AWAITED: usize = 16;

impl Progress {
    /// Begins with the record at `start`.
    pub(crate) const fn new(start: i64) -> Self {
        Self {
            next: start,
            end: None,
            highest: start,
            awaited: VecDeque::new(),
            gap: None,
            overtaken: None,
        }
    }

    /// The offset of the next record.
    pub(crate) const fn next(&self) -> i64 {
        self.next
    }

    /// Where the partition ended when that was last asked.
    pub(crate) const fn end(&self) -> Option<i64> {
        self.end
    }

    /// A record was handed over. Says so if it stands before one that was handed over earlier.
    pub(crate) fn handed(&mut self, offset: i64) -> Option<Missing> {
        let expected = self.next;
        if offset < expected {
            *self = Self::new(offset);
        } else if offset > expected {
            self.gap.get_or_insert((expected, offset));
        }
        self.next = offset.saturating_add(1);
        self.overtaken = None;
        (offset < expected).then_some(Missing {
            from: expected,
            to: offset,
        })
    }

    /// The client has passed over records that are not for us, like the marks of a transaction.
    pub(crate) fn passed_to(&mut self, position: i64) {
        self.next = self.next.max(position);
    }

    /// The partition ended at `high` when that was asked. Says so if that lies before an end that was told earlier.
    ///
    /// A new leader may not yet know how far the old one had got, so a lower end is no proof of anything: everything up to it has
    /// been handed over, but perhaps not everything that was written.
    pub(crate) fn ended(&mut self, asked: Moment, high: i64, sound: bool) -> Option<Missing> {
        self.end = Some(high);
        if high < self.highest {
            return Some(Missing {
                from: self.highest,
                to: high,
            });
        }
        self.highest = high;
        if sound {
            if self.awaited.len() == AWAITED {
                self.awaited.pop_back();
            }
            self.awaited.push_back(Awaited { asked, high });
        }
        None
    }

    /// Whether an end is awaited that has not been reached.
    pub(crate) fn is_awaiting(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// The youngest end that has been reached, once: when it was asked, and where it was.
    pub(crate) fn reached(&mut self) -> Option<(Moment, i64)> {
        let mut youngest = None;
        while let Some(awaited) = self
            .awaited
            .front()
            .filter(|awaited| awaited.high <= self.next)
        {
            youngest = Some((awaited.asked, awaited.high));
            self.awaited.pop_front();
        }
        youngest
    }

    /// The oldest record that there is stands at `low`. `drained`: everything that was fetched has been handed over.
    ///
    /// Fetched records may still come after their deletion, so only the second such word without one in between is believed.
    pub(crate) fn floor(&mut self, low: i64, drained: bool) -> Floor {
        if let Some((from, to)) = self.gap.take()
            && low > from
        {
            return Floor::Outran(Missing {
                from,
                to: to.min(low),
            });
        }
        if low <= self.next {
            self.overtaken = None;
            return Floor::Below;
        }
        let from = self.next;
        if self.overtaken.replace(from) == Some(from) && drained {
            *self = Self::new(low);
            return Floor::Stranded(Missing { from, to: low });
        }
        Floor::Below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_unix_ms(ms)
    }

    #[test]
    fn an_end_is_reached_when_the_last_record_before_it_was_handed_over() {
        let mut progress = Progress::new(5);
        assert_eq!(progress.ended(at(1), 7, true), None);
        assert_eq!(progress.reached(), None);
        progress.handed(5);
        assert_eq!(progress.reached(), None);
        progress.handed(6);
        assert_eq!(progress.reached(), Some((at(1), 7)));
        assert_eq!(progress.reached(), None, "once");
    }

    #[test]
    fn an_empty_partition_has_been_read() {
        let mut progress = Progress::new(5);
        progress.ended(at(1), 5, true);
        assert_eq!(progress.reached(), Some((at(1), 5)));
    }

    #[test]
    fn the_end_of_an_unsound_partition_proves_nothing() {
        let mut progress = Progress::new(0);
        progress.ended(at(1), 0, false);
        assert_eq!(progress.reached(), None);
        assert_eq!(progress.end(), Some(0));
    }

    #[test]
    fn the_youngest_reached_end_is_told_while_reading_lags() {
        let mut progress = Progress::new(0);
        for n in 1..=100 {
            progress.ended(at(n), i64::try_from(n).unwrap() * 10, true);
        }
        progress.handed(54);
        assert_eq!(progress.reached(), Some((at(5), 50)));
        progress.passed_to(1000);
        assert_eq!(progress.reached(), Some((at(100), 1000)));
    }

    #[test]
    fn an_end_that_moved_back_proves_nothing_until_it_returns() {
        let mut progress = Progress::new(0);
        progress.ended(at(1), 10, true);
        progress.passed_to(10);
        assert_eq!(progress.reached(), Some((at(1), 10)));
        assert_eq!(
            progress.ended(at(2), 8, true),
            Some(Missing { from: 10, to: 8 })
        );
        assert_eq!(progress.reached(), None);
        progress.ended(at(3), 10, true);
        assert_eq!(progress.reached(), Some((at(3), 10)));
    }

    #[test]
    fn a_topic_made_anew_is_read_anew() {
        let mut progress = Progress::new(0);
        progress.ended(at(1), 10, true);
        progress.passed_to(10);
        assert_eq!(progress.handed(0), Some(Missing { from: 10, to: 0 }));
        progress.ended(at(2), 2, true);
        assert_eq!(progress.reached(), None);
        progress.handed(1);
        assert_eq!(progress.reached(), Some((at(2), 2)));
    }

    #[test]
    fn a_gap_is_a_loss_only_if_the_log_begins_behind_it() {
        let mut progress = Progress::new(0);
        progress.handed(5);
        assert_eq!(progress.floor(0, true), Floor::Below, "compacted");
        progress.handed(9);
        assert_eq!(
            progress.floor(9, true),
            Floor::Outran(Missing { from: 6, to: 9 })
        );
        assert_eq!(progress.floor(9, true), Floor::Below, "once");
    }

    #[test]
    fn a_reading_that_was_overtaken_begins_anew_when_nothing_comes() {
        let mut progress = Progress::new(3);
        assert_eq!(
            progress.floor(9, true),
            Floor::Below,
            "records may be on their way"
        );
        progress.handed(3);
        assert_eq!(progress.floor(9, true), Floor::Below);
        assert_eq!(progress.floor(9, false), Floor::Below);
        assert_eq!(
            progress.floor(9, true),
            Floor::Stranded(Missing { from: 4, to: 9 })
        );
        progress.ended(at(1), 9, true);
        assert_eq!(progress.reached(), Some((at(1), 9)));
    }
}
