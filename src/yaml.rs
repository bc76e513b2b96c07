//! Files that people write: YAML, of which JSON is a part.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

/// Reads the one document of a file. What a few lines may unfold to by aliases is bounded.
pub(crate) fn read(path: &Path) -> anyhow::Result<Value> {
    let reading = || format!("reading {}", path.display());
    let text = std::fs::read_to_string(path).with_context(reading)?;
    // The message is one of ours in one line, so it shows no lines of the file.
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(&text, options).with_context(reading)
}
