//! What is installed in a cluster, held to the program: nothing there may drift from what the code knows.

mod manifests;
mod crd;
mod monitoring;

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

/// The text of a file in `healer/deploy`.
fn text(path: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    fs::read_to_string(folder.join(path)).expect(path)
}

/// The one document of a YAML or JSON file in `healer/deploy`.
fn document(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).expect(path)
}

/// What stands between backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    let between = text.split('`').skip(1).step_by(2);
    between.map(str::to_owned).collect()
}

#[test]
fn the_policy_that_is_installed_is_the_built_in_one() {
    let built_in = include_str!("../../core/src/policy/streamforge.yaml");
    assert_eq!(text("common/policy.yaml"), built_in);
}

#[test]
fn every_setting_that_is_installed_is_explained() {
    let explained = quoted(&text("README.md"));
    let settings = text("common/settings.env");
    let names = settings
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0));
    let missing: Vec<_> = names.filter(|name| !explained.contains(*name)).collect();
    assert!(missing.is_empty(), "README.md does not name {missing:?}");
}

#[test]
fn the_image_is_built_with_the_toolchain_of_the_workspace() {
    let toolchain = include_str!("../../../rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).unwrap();
    let from = format!("/rust:{version}-bookworm AS build");
    assert!(text("Containerfile").contains(&from), "{from}");
}
