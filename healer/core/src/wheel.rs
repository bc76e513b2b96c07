//! Timers in constant time: a ring of slots, one for each quarter of a second.

use crate::Moment;

/// A slot's width, ms: how late a timer may be.
const WIDTH_MS: u64 = 250;

/// Slots in the ring: 17 minutes of them. What is due later waits in the last slot for its turn.
const SLOTS: u64 = 4096;

/// Remembers ids until they are due. Who moves a deadline later need not tell: the id comes up at the old one and is put back.
#[derive(Clone, Debug)]
pub(crate) struct Wheel<T> {
    slots: Vec<Vec<T>>,
    /// The slot whose time has come last.
    reached: Option<u64>,
}

impl<T> Wheel<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            reached: None,
        }
    }

    /// Brings `id` up at `due`, or up to a quarter of a second later; earlier if that is more than 17 minutes away.
    pub(crate) fn set(&mut self, due: Moment, id: T) {
        if self.slots.is_empty() {
            self.slots.resize_with(usize_of(SLOTS), Vec::new);
        }
        let next = self.reached.map_or(0, |slot| slot + 1);
        let last = self.reached.map_or(u64::MAX, |slot| slot + SLOTS - 1);
        let slot = slot_of(due).saturating_add(1).clamp(next, last);
        if let Some(ids) = self.slots.get_mut(usize_of(slot % SLOTS)) {
            ids.push(id);
        }
    }

    /// Takes out all that is due at `now`.
    pub(crate) fn due(&mut self, now: Moment, out: &mut Vec<T>) {
        let target = slot_of(now);
        let first = match self.reached {
            Some(reached) if target <= reached => return,
            // After one round every slot has been emptied.
            Some(reached) => (reached + 1).max(target.saturating_sub(SLOTS - 1)),
            None => target.saturating_sub(SLOTS - 1),
        };
        self.reached = Some(target);
        if self.slots.is_empty() {
            return;
        }
        for slot in first..=target {
            if let Some(ids) = self.slots.get_mut(usize_of(slot % SLOTS)) {
                out.append(ids);
            }
        }
    }
}

const fn slot_of(moment: Moment) -> u64 {
    moment.as_unix_ms() / WIDTH_MS
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a slot's number is below 4096"
)]
const fn usize_of(slot: u64) -> usize {
    slot as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_early_but_what_is_far_away_and_nothing_is_lost() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut wheel = Wheel::new();
        let mut now = Moment::from_unix_ms(1_700_000_000_000);
        let mut out = Vec::new();
        wheel.due(now, &mut out);
        let (mut set, mut seen) = (0, 0);
        for _ in 0..2000 {
            let due = Moment::from_unix_ms(now.as_unix_ms() + random.u64(0..900_000));
            wheel.set(due, due);
            set += 1;
            now = Moment::from_unix_ms(now.as_unix_ms() + random.u64(0..20_000));
            wheel.due(now, &mut out);
            for due in out.drain(..) {
                assert!(due <= now, "{due:?} at {now:?}");
                seen += 1;
            }
        }
        wheel.due(Moment::from_unix_ms(now.as_unix_ms() + 2_000_000), &mut out);
        assert_eq!(seen + out.len(), set);
    }

    #[test]
    fn a_timer_is_at_most_two_slots_late() {
        let mut wheel = Wheel::new();
        let start = Moment::from_unix_ms(1_000_000_100);
        let mut out = Vec::new();
        wheel.due(start, &mut out);
        wheel.set(Moment::from_unix_ms(1_000_000_600), ());
        wheel.due(Moment::from_unix_ms(1_000_000_600), &mut out);
        assert!(out.is_empty(), "its slot is not over");
        wheel.due(Moment::from_unix_ms(1_000_000_850), &mut out);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn what_lies_beyond_the_ring_comes_up_early_to_be_put_back() {
        let mut wheel = Wheel::new();
        let start = Moment::from_unix_ms(1_000_000_000);
        let mut out = Vec::new();
        wheel.due(start, &mut out);
        wheel.set(Moment::from_unix_ms(5_000_000_000), ());
        wheel.due(Moment::from_unix_ms(1_000_000_000 + 4096 * 250), &mut out);
        assert_eq!(out.len(), 1);
    }
}
