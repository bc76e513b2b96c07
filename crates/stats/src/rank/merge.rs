//! The Mann-Whitney statistic in one pass over two sorted samples.

/// What was taken from both samples so far, in ascending order; of tied values those of the second sample come first.
#[derive(Default)]
pub(super) struct Pass {
    key: u64,
    /// Values taken that equal the last one.
    tied: u64,
    /// Those of them that are the second sample's.
    tied_second: u64,
    second: u64,
    pub(super) doubled_u: u128,
    pub(super) tie_term: u128,
}

impl Pass {
    /// Takes all of both samples, given as sorted keys.
    ///
    /// Without a branch on which sample the next value is of: where that is anyone's guess, to guess wrong costs more than
    /// all the rest.
    pub(super) fn over(first: &[u64], second: &[u64]) -> Self {
        let mut pass = Self::default();
        let (mut at_first, mut at_second) = (0, 0);
        while let (Some(x), Some(y)) = (first.get(at_first), second.get(at_second)) {
            let is_second = y <= x;
            pass.take(if is_second { *y } else { *x }, is_second);
            at_first += usize::from(!is_second);
            at_second += usize::from(is_second);
        }
        let first_left = first.iter().skip(at_first);
        first_left.for_each(|key| pass.take(*key, false));
        let second_left = second.iter().skip(at_second);
        second_left.for_each(|key| pass.take(*key, true));
        pass
    }

    /// `t³ − t` is the sum of `3i(i − 1)` for i up to t, so that ties need no look ahead.
    #[inline]
    fn take(&mut self, key: u64, is_second: bool) {
        let goes_on = u64::from(key == self.key);
        let is_second = u64::from(is_second);
        self.key = key;
        self.tied = self.tied * goes_on + 1;
        self.tied_second = self.tied_second * goes_on + is_second;
        self.second += is_second;
        let below_and_here = 2 * self.second - self.tied_second;
        self.doubled_u += u128::from((1 - is_second) * below_and_here);
        if self.tied > 1 {
            let tied = u128::from(self.tied);
            self.tie_term += 3 * tied * (tied - 1);
        }
    }
}
