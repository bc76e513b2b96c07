//! Keeps measurements small: an `AnalysisRun` and the history of its metrics are one object, and one that grows
//! beyond what the API server stores can never be updated again.

use std::collections::BTreeMap;

/// A value is a number or a few words.
pub(crate) const VALUE_BYTES: usize = 256;
/// A message is a sentence, with a query or an address in it at times.
pub(crate) const MESSAGE_BYTES: usize = 2 << 10;
/// Ten measurements of thirty metrics stay far below the 1.5 MiB that etcd accepts.
pub(crate) const METADATA_BYTES: usize = 2 << 10;

/// Stands at the end of what was cut.
const MARK: &str = "…";

/// The text, cut at a character's end so that it has at most `bytes` bytes, three of them for the mark.
pub(crate) fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes.saturating_sub(MARK.len())));
        text.push_str(MARK);
    }
    text
}

/// The entries, in the order of their keys, as far as keys and values together keep the bound.
pub(crate) fn cut_entries(entries: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut left = METADATA_BYTES;
    let fit = move |(key, value): (String, String)| {
        let room = left.checked_sub(key.len())?;
        if room < value.len().min(MARK.len()) {
            return None;
        }
        let value = cut(value, room);
        left = room.saturating_sub(value.len());
        Some((key, value))
    };
    entries.into_iter().filter_map(fit).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_cut_keeps_its_bound_and_what_fits_is_untouched(text in ".*", bytes in 3_usize..64) {
            let short = cut(text.clone(), bytes);
            prop_assert!(short.len() <= bytes);
            prop_assert!(text.len() > bytes || short == text);
        }

        #[test]
        fn metadata_keep_their_bound(entries in prop::collection::btree_map(".{0,40}", ".{0,900}", 0..8)) {
            let all = |entries: &BTreeMap<String, String>| entries.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
            let fit = cut_entries(entries.clone());
            prop_assert!(all(&fit) <= METADATA_BYTES, "{}", all(&fit));
            prop_assert!(all(&entries) > METADATA_BYTES || fit == entries);
        }
    }
}
