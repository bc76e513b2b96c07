//! Roots of a function of one variable.

/// Steps after which a root is given as it is.
const MOST_STEPS: u32 = 1000;

/// A root between `low` and `high`, where the function has the values given, of different signs; to within `tolerance`
/// absolute.
///
/// Brent's method (1973, chapter 4) as R's `uniroot` steps: verdicts depend on where it stops, so it must stop there too. An error of
/// the function ends it.
pub(crate) fn root<E>(
    (low, f_low): (f64, f64),
    (high, f_high): (f64, f64),
    tolerance: f64,
    mut f: impl FnMut(f64) -> Result<f64, E>,
) -> Result<f64, E> {
    let mut search = Search {
        previous: (low, f_low),
        best: (high, f_high),
        opposite: (low, f_low),
    };
    if f_low == 0.0 {
        return Ok(low);
    }
    for _ in 0..MOST_STEPS {
        let Some(step) = search.step(tolerance) else {
            break;
        };
        let at = search.best.0 + step;
        let value = f(at)?;
        search.move_to((at, value));
    }
    Ok(search.best.0)
}

/// Points with the function's values: the root is between the best and the opposite one.
struct Search {
    previous: (f64, f64),
    best: (f64, f64),
    opposite: (f64, f64),
}

impl Search {
    /// How far to go from the best point; None when it is near enough.
    fn step(&mut self, tolerance: f64) -> Option<f64> {
        let last_step = self.best.0 - self.previous.0;
        if self.opposite.1.abs() < self.best.1.abs() {
            self.previous = self.best;
            self.best = self.opposite;
            self.opposite = self.previous;
        }
        let least = 2.0 * f64::EPSILON * self.best.0.abs() + tolerance / 2.0;
        let half = (self.opposite.0 - self.best.0) / 2.0;
        if half.abs() <= least || self.best.1 == 0.0 {
            return None;
        }
        let worth_it = last_step.abs() >= least && self.previous.1.abs() > self.best.1.abs();
        let interpolated = worth_it
            .then(|| self.interpolate(last_step, least))
            .flatten();
        let step = interpolated.unwrap_or(half);
        Some(if step.abs() < least {
            least.copysign(step)
        } else {
            step
        })
    }

    /// By a line, or by a parabola of the inverse where three points differ. None where it would leave the bracket or slow down.
    fn interpolate(&self, last_step: f64, least: f64) -> Option<f64> {
        let (previous, f_previous) = self.previous;
        let (best, f_best) = self.best;
        let (opposite, f_opposite) = self.opposite;
        let width = opposite - best;
        let by_previous = f_best / f_previous;
        let (up, down) = if previous == opposite {
            (width * by_previous, 1.0 - by_previous)
        } else {
            let (over, by_opposite) = (f_previous / f_opposite, f_best / f_opposite);
            let up = width * over * (over - by_opposite) - (best - previous) * (by_opposite - 1.0);
            let down = (over - 1.0) * (by_opposite - 1.0) * (by_previous - 1.0);
            (by_previous * up, down)
        };
        let (up, down) = if up > 0.0 { (up, -down) } else { (-up, down) };
        let inside = up < 0.75 * width * down - (least * down).abs() / 2.0;
        (inside && up < (last_step * down / 2.0).abs()).then(|| up / down)
    }

    fn move_to(&mut self, point: (f64, f64)) {
        self.previous = self.best;
        self.best = point;
        let same_side = |value: f64| {
            value > 0.0 && self.opposite.1 > 0.0 || value < 0.0 && self.opposite.1 < 0.0
        };
        if same_side(point.1) {
            self.opposite = self.previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_found_to_within_the_tolerance() {
        let cube = |x: f64| -> Result<f64, ()> { Ok(x * x * x - 2.0) };
        let found = root((0.0, -2.0), (4.0, 62.0), 1e-10, cube).unwrap();
        assert!((found - 2.0_f64.cbrt()).abs() < 1e-10);
    }

    #[test]
    fn a_jump_is_found_and_an_error_passed_on() {
        let jump = |x: f64| Ok::<_, ()>(if x < 0.3 { 1.0 } else { -1.0 });
        let found = root((0.0, 1.0), (1.0, -1.0), 1e-6, jump).unwrap();
        assert!((found - 0.3).abs() < 1e-6);
        assert_eq!(
            root((0.0, 1.0), (1.0, -1.0), 1e-6, |_| Err("no")),
            Err("no")
        );
    }
}
