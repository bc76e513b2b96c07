//! Holds the crates to the table of arrows in ARCHITECTURE.md: what may depend on what.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn crates_depend_on_each_other_as_the_table_in_architecture_md_says() {
    let drawn = drawn(include_str!("../../ARCHITECTURE.md"));
    let real = real();
    let members: BTreeSet<_> = real.keys().collect();
    let rows: BTreeSet<_> = drawn.keys().collect();
    assert_eq!(
        members, rows,
        "every crate has one row in the table, and every row is a crate"
    );
    for (name, dependencies) in &real {
        let extra: Vec<_> = dependencies.difference(&drawn[name]).collect();
        assert!(
            extra.is_empty(),
            "{name} depends on {extra:?}, which the table does not allow"
        );
        let idle: Vec<_> = drawn[name].difference(dependencies).collect();
        assert!(
            idle.is_empty(),
            "the table lets {name} depend on {idle:?}, which it does not"
        );
    }
}

#[test]
fn only_sources_links_the_http_client() {
    let users: Vec<_> = packages()
        .into_iter()
        .filter(|package| dependencies(package).any(|name| name == "reqwest"))
        .map(|package| text(&package["name"]))
        .collect();
    assert_eq!(users, ["temper-sources"]);
}

/// The rows `name -> a, b` between the markers of the document; `none` stands for no dependency.
fn drawn(document: &str) -> Arrows {
    let (_, rest) = document
        .split_once("<!-- arrows -->")
        .expect("the table is marked");
    let (table, _) = rest
        .split_once("<!-- /arrows -->")
        .expect("the table's end is marked");
    table
        .lines()
        .filter_map(|line| line.split_once("->"))
        .map(row)
        .collect()
}

fn row((from, to): (&str, &str)) -> (String, BTreeSet<String>) {
    let to = to
        .split(',')
        .map(str::trim)
        .filter(|name| *name != "none")
        .map(full_name)
        .collect();
    (full_name(from.trim()), to)
}

fn full_name(short: &str) -> String {
    if short == "temper" {
        short.to_owned()
    } else {
        format!("temper-{short}")
    }
}

/// What cargo says: normal dependencies between members of the workspace.
fn real() -> Arrows {
    packages()
        .iter()
        .map(|package| {
            let ours = dependencies(package).filter(|name| name.starts_with("temper-"));
            (text(&package["name"]), ours.collect())
        })
        .collect()
}

fn dependencies(package: &serde_json::Value) -> impl Iterator<Item = String> + '_ {
    let all = package["dependencies"]
        .as_array()
        .expect("a list of dependencies");
    all.iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|one| text(&one["name"]))
}

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"]
        .as_array()
        .expect("a list of packages")
        .clone()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().expect("a string").to_owned()
}
