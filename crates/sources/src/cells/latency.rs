//! The latency counts of a cell.

use super::track::Shape;
use crate::window::Latency;

pub(super) fn latency(shape: &Shape, grown: &[u64]) -> Option<Latency> {
    let (zero, rest) = grown.split_first()?;
    match shape {
        Shape::Counter => None,
        Shape::Classic(bounds) => Some(Latency::Classic {
            bounds: bounds.clone(),
            counts: grown.to_vec(),
        }),
        Shape::Native {
            schema,
            zero_threshold,
            indices,
        } => Some(Latency::Native {
            schema: *schema,
            zero_threshold: *zero_threshold,
            zero: *zero,
            buckets: indices
                .iter()
                .copied()
                .zip(rest.iter().copied())
                .filter(|b| b.1 > 0)
                .collect(),
        }),
    }
}

pub(super) fn observations(latency: Option<&Latency>) -> u64 {
    match latency {
        None => 0,
        Some(Latency::Classic { counts, .. }) => counts.iter().sum(),
        Some(Latency::Native { zero, buckets, .. }) => zero + buckets.values().sum::<u64>(),
    }
}

/// The sum of two histograms of one cell; None when their buckets differ.
pub(super) fn merged(a: Latency, b: Latency) -> Option<Latency> {
    match (a, b) {
        (
            Latency::Classic { bounds, counts },
            Latency::Classic {
                bounds: other,
                counts: more,
            },
        ) => (bounds == other).then(|| Latency::Classic {
            bounds,
            counts: counts.iter().zip(&more).map(|(x, y)| x + y).collect(),
        }),
        (
            Latency::Native {
                schema,
                zero_threshold,
                zero,
                mut buckets,
            },
            Latency::Native {
                schema: other_schema,
                zero_threshold: other_threshold,
                zero: more_zero,
                buckets: more,
            },
        ) => {
            if schema != other_schema || zero_threshold.total_cmp(&other_threshold).is_ne() {
                return None;
            }
            for (index, n) in more {
                *buckets.entry(index).or_default() += n;
            }
            Some(Latency::Native {
                schema,
                zero_threshold,
                zero: zero + more_zero,
                buckets,
            })
        }
        _ => None,
    }
}
