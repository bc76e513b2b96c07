//! What is done to points before they are compared.

use crate::detector::Detector;

/// The values that are numbers.
pub fn remove_nans(values: &[f64]) -> Vec<f64> {
    values
        .iter()
        .copied()
        .filter(|value| !value.is_nan())
        .collect()
}

/// The values, another number for those that are none.
pub fn replace_nans(values: &[f64], by: f64) -> Vec<f64> {
    let replace = |value: &f64| if value.is_nan() { by } else { *value };
    values.iter().map(replace).collect()
}

/// The values that a detector does not take for outliers.
pub fn remove_outliers(values: &[f64], detector: Detector) -> Vec<f64> {
    let outliers = detector.detect(values);
    let kept = values.iter().zip(outliers).filter(|(_, outlier)| !outlier);
    kept.map(|(value, _)| *value).collect()
}
