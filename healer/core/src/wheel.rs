//! Timers in constant time: a ring of slots, one for each quarter of a second.

use crate::Moment;

/// A slot's width, ms: how late a timer may be.
const WIDTH_MS: u64 = 250;

/// Slots in the ring: 17 minutes of them. What is due later waits in the last slot for its turn.
const SLOTS: u64 = 4096;

/// Remembers ids until their turn comes. Who moves a deadline later need not tell: the id comes up at the old one and is put back.
#[derive(Clone, Debug)]
pub(crate) struct Wheel<T> {
    slots: Vec<Vec<T>>,
    /// The slot whose time has come last.
    reached: u64,
}

impl<T> Wheel<T> {
    /// A wheel that nothing comes up from before `now`.
    pub(crate) const fn new(now: Moment) -> Self {
        Self {
            slots: Vec::new(),
            reached: slot_of(now),
        }
    }

    /// When that which is due then comes up: up to half a second later; earlier if that is more than 17 minutes away.
    pub(crate) fn turn(&self, due: Moment) -> Moment {
        let slot = slot_of(due).saturating_add(1);
        let (next, last) = (self.reached + 1, self.reached + SLOTS - 1);
        Moment::from_unix_ms(slot.clamp(next, last) * WIDTH_MS)
    }

    /// Brings `id` up at a moment that [`Self::turn`] gave.
    pub(crate) fn set(&mut self, turn: Moment, id: T) {
        if self.slots.is_empty() {
            self.slots.resize_with(usize_of(SLOTS), Vec::new);
        }
        if let Some(ids) = self.slots.get_mut(usize_of(slot_of(turn) % SLOTS)) {
            ids.push(id);
        }
    }

    /// Takes out all whose turn it is at `now`.
    pub(crate) fn due(&mut self, now: Moment, out: &mut Vec<T>) {
        let target = slot_of(now);
        if target <= self.reached {
            return;
        }
        // After one round every slot has been emptied.
        let first = (self.reached + 1).max(target.saturating_sub(SLOTS - 1));
        self.reached = target;
        if self.slots.is_empty() {
            return;
        }
        for slot in first..=target {
            if let Some(ids) = self.slots.get_mut(usize_of(slot % SLOTS)) {
                // Its room is given back: after an outage everybody comes up in the same slot.
                out.append(&mut std::mem::take(ids));
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

    const START: u64 = 1_700_000_000_100;

    const fn at(ms: u64) -> Moment {
        Moment::from_unix_ms(START + ms)
    }

    #[test]
    fn everything_comes_up_once_at_its_turn_which_is_early_only_for_what_is_far_away() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut now, mut out) = (0, Vec::new());
        let mut wheel = Wheel::new(at(now));
        let (mut set, mut seen) = (0, 0);
        for _ in 0..2000 {
            let wait = random.u64(0..2_000_000);
            let turn = wheel.turn(at(now + wait));
            let late = turn.since(at(now + wait)).as_millis();
            assert!(late <= 2 * u128::from(WIDTH_MS));
            assert!(late > 0 || wait > (SLOTS - 3) * WIDTH_MS, "early by {wait}");
            wheel.set(turn, turn);
            set += 1;
            now += random.u64(0..20_000);
            wheel.due(at(now), &mut out);
            for turn in out.drain(..) {
                let over = at(now).since(turn).as_millis();
                assert!(turn <= at(now) && over <= 20_000 + u128::from(WIDTH_MS));
                seen += 1;
            }
        }
        wheel.due(at(now + 2_000_000), &mut out);
        assert_eq!(seen + out.len(), set);
    }

    #[test]
    fn nothing_comes_up_before_its_slot_is_over() {
        let mut wheel = Wheel::new(at(0));
        let mut out = Vec::new();
        wheel.set(wheel.turn(at(500)), ());
        wheel.due(at(500), &mut out);
        assert!(out.is_empty(), "its slot is not over");
        wheel.due(at(750), &mut out);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn what_is_overdue_comes_up_next() {
        let mut wheel = Wheel::new(at(10_000));
        let mut out = Vec::new();
        wheel.set(wheel.turn(at(0)), ());
        wheel.due(at(10_250), &mut out);
        assert_eq!(out.len(), 1);
    }
}
