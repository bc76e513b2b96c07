//! The resource `HealingPolicy` has the fields of the policy file, and takes what the program takes.

use std::collections::BTreeSet;

use serde_json::Value;
use temper_healer_core::{
    Policy,
    policy::{Cause, Fencing},
};

use super::{document, quoted};

/// A kind with each key that is not there without being given.
const A_KIND: &str = "kinds: [{workers: a, heal: [], fencing: {bestEffort: 1m}}]";

/// The schema of `HealingPolicy.spec`.
fn schema() -> Value {
    let crd = document("crd/healing-policies.yaml");
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .expect("the definition has a schema")
        .clone()
}

/// The schemas of all fields below this one, by their paths: `guards.cooldown`, `kinds[].attempts.max`.
fn described(schema: &Value, path: &str) -> Vec<(String, Value)> {
    if let Some(items) = schema.get("items") {
        return described(items, &format!("{path}[]"));
    }
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let below = fields.iter().flat_map(|(name, field)| {
        let path = join(path, name);
        let mut fields = described(field, &path);
        fields.push((path, field.clone()));
        fields
    });
    below.collect()
}

/// All fields below this one, with their values, by the same paths.
fn written(value: &Value, path: &str) -> Vec<(String, Value)> {
    match value {
        Value::Array(items) => items
            .iter()
            .flat_map(|item| written(item, &format!("{path}[]")))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| {
                let path = join(path, name);
                let mut fields = written(field, &path);
                fields.push((path, field.clone()));
                fields
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn paths(fields: Vec<(String, Value)>) -> BTreeSet<String> {
    fields.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn the_schema_has_the_fields_of_the_types_and_no_others() {
    let policy = serde_json::to_value(Policy::parse(A_KIND).unwrap()).unwrap();
    assert_eq!(paths(described(&schema(), "")), paths(written(&policy, "")));
}

#[test]
fn the_schema_has_every_key_of_the_built_in_policy() {
    let known = paths(described(&schema(), ""));
    let used = paths(written(&document("common/policy.yaml"), ""));
    assert!(used.len() > 5);
    assert!(used.is_subset(&known), "{:?}", &used - &known);
}

/// The words that a type takes, as it lists them when it is given another one.
fn words<T: serde::de::DeserializeOwned + std::fmt::Debug>() -> BTreeSet<String> {
    let error = serde_json::from_str::<T>(r#""?""#).expect_err("no type takes it");
    let mut words = quoted(&error.to_string());
    assert!(words.remove("?"), "{error}");
    words
}

#[test]
fn the_schema_has_every_word_of_the_types() {
    let schema = schema();
    let field = |path| schema.pointer(&format!("/properties/kinds/items/properties/{path}"));
    let causes: BTreeSet<String> =
        serde_json::from_value(field("heal/items/enum").unwrap().clone()).unwrap();
    assert_eq!(causes, words::<Cause>());

    let alone: BTreeSet<String> =
        serde_json::from_value(field("fencing/anyOf/0/enum").unwrap().clone()).unwrap();
    let with_a_span = field("fencing/properties").unwrap().as_object().unwrap();
    let fencing: BTreeSet<String> = alone
        .into_iter()
        .chain(with_a_span.keys().cloned())
        .collect();
    assert_eq!(fencing, words::<Fencing>());
}

#[test]
fn what_holds_without_a_key_is_described_as_it_is() {
    let usual = Policy::parse("kinds: [{workers: a, heal: []}]").unwrap();
    let usual = written(&serde_json::to_value(usual).unwrap(), "");
    for (path, schema) in described(&schema(), "") {
        let Some((_, value)) = usual.iter().find(|(known, _)| *known == path) else {
            continue;
        };
        let value = match value {
            Value::String(text) if path != "kinds[].workers" => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        let described = schema.get("description").and_then(Value::as_str).unwrap();
        let sentence = format!("{value} without it.");
        assert!(described.contains(&sentence), "{path}: {sentence}");
    }
}

#[test]
fn the_program_takes_and_refuses_what_the_api_server_takes_and_refuses() {
    let cases: Value = serde_json::from_str(include_str!("../../fixtures/policies.json")).unwrap();
    for (answer, accepted) in [("accepted", true), ("refused", false)] {
        for (name, policy) in cases[answer].as_object().unwrap() {
            let of_file = Policy::parse(&policy.to_string());
            assert_eq!(of_file.is_ok(), accepted, "{name}: {of_file:?}");
            let of_resource = Policy::from_spec(policy.clone());
            assert_eq!(of_resource.is_ok(), accepted, "{name}: {of_resource:?}");
            assert_eq!(of_file.ok(), of_resource.ok(), "{name}");
        }
    }
}
