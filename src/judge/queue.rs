//! Work for all cores, whose results come out in order.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Does the work on each item and hands over the results in the order of the items, each as soon as its turn comes.
pub(super) fn in_order<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R),
) {
    let next = AtomicUsize::new(0);
    let (done, results) = mpsc::channel();
    let worker = |done: mpsc::Sender<_>| {
        while let Some((index, item)) = claim(&next, items)
            && done.send((index, work(item))).is_ok()
        {}
    };
    thread::scope(|scope| {
        for _ in 0..cores().min(items.len()) {
            let done = done.clone();
            scope.spawn(|| worker(done));
        }
        drop(done);
        let mut early = BTreeMap::new();
        let mut waiting = items.iter().enumerate();
        let mut turn = waiting.next();
        for (index, result) in results {
            early.insert(index, result);
            while let Some((index, item)) = turn
                && let Some(result) = early.remove(&index)
            {
                take(item, result);
                turn = waiting.next();
            }
        }
    });
}

fn claim<'t, T>(next: &AtomicUsize, items: &'t [T]) -> Option<(usize, &'t T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, items.get(index)?))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_however_long_each_takes() {
        let items: Vec<u64> = (0..500).collect();
        let work = |item: &u64| (0..(item * 7919) % 1000).fold(*item, |sum, n| sum ^ n);
        let mut taken = Vec::new();
        in_order(&items, work, |item, result| taken.push((*item, result)));
        let expected: Vec<_> = items.iter().map(|item| (*item, work(item))).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn no_items_are_no_work() {
        in_order(&[], |(): &()| (), |(), ()| panic!("there is none"));
    }
}
