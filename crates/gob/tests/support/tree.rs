//! Compares decoded values with the trees that Go's reflection made of the values that were encoded.

use serde_json::Value as Json;
use temper_gob::Value;

/// Tells where `value` differs from `expected`, if it does.
pub(crate) fn difference(expected: &Json, value: &Value) -> Option<String> {
    compare(expected, value, "value")
}

fn compare(expected: &Json, value: &Value, path: &str) -> Option<String> {
    let is_equal = match (text(expected, "t"), value) {
        ("bool", Value::Bool(value)) => expected["v"] == *value,
        ("int", Value::Int(value)) => text(expected, "v") == value.to_string(),
        ("uint", Value::Uint(value)) => text(expected, "v") == value.to_string(),
        ("float", Value::Float(value)) => text(expected, "bits") == bits(*value),
        ("complex", Value::Complex(real, imaginary)) => {
            text(expected, "re") == bits(*real) && text(expected, "im") == bits(*imaginary)
        }
        ("string", Value::String(bytes))
        | ("bytes", Value::Bytes(bytes))
        | ("gobenc", Value::Opaque(bytes)) => text(expected, "hex") == hex::encode(bytes),
        ("list", Value::List(values)) => return lists(list(expected, "v"), values, path),
        ("map", Value::Map(pairs)) => return maps(list(expected, "v"), pairs, path),
        ("struct", Value::Struct { name, fields }) => {
            // Go's reflection has no name for a type that the stream spells out.
            if text(expected, "name") != &**name && !name.starts_with("struct {") {
                return Some(format!("{path}: {expected} is not of type {name}"));
            }
            return structures(list(expected, "fields"), fields, path);
        }
        ("iface", Value::Interface { name, value }) => {
            let held = format!("{path}.({name})");
            return match value {
                _ if text(expected, "name") != name => Some(format!("{held}: {expected}")),
                None => (text(&expected["v"], "t") != "nil").then_some(held),
                Some(value) => compare(&expected["v"], value, &held),
            };
        }
        _ => false,
    };
    (!is_equal).then(|| format!("{path}: expected {expected}, got {value:?}"))
}

fn lists(expected: &[Json], values: &[Value], path: &str) -> Option<String> {
    if expected.len() != values.len() {
        return Some(format!(
            "{path}: expected {} elements, got {}",
            expected.len(),
            values.len()
        ));
    }
    let mut pairs = expected.iter().zip(values).enumerate();
    pairs.find_map(|(index, (expected, value))| {
        compare(expected, value, &format!("{path}[{index}]"))
    })
}

/// The order of a map is Go's secret: each expected pair must be somewhere.
fn maps(expected: &[Json], pairs: &[(Value, Value)], path: &str) -> Option<String> {
    if expected.len() != pairs.len() {
        return Some(format!(
            "{path}: expected {} pairs, got {}",
            expected.len(),
            pairs.len()
        ));
    }
    expected.iter().find_map(|pair| {
        let found = pairs
            .iter()
            .find(|(key, _)| compare(&pair[0], key, path).is_none());
        let Some((_, value)) = found else {
            return Some(format!("{path}: no key {}", pair[0]));
        };
        compare(&pair[1], value, &format!("{path}[{}]", pair[0]))
    })
}

fn structures(
    expected: &[Json],
    fields: &[(std::sync::Arc<str>, Value)],
    path: &str,
) -> Option<String> {
    let expected_names: Vec<_> = expected
        .iter()
        .map(|field| field[0].as_str().unwrap())
        .collect();
    let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
    if expected_names != names {
        return Some(format!(
            "{path}: expected fields {expected_names:?}, got {names:?}"
        ));
    }
    let mut pairs = expected.iter().zip(fields);
    pairs.find_map(|(expected, (name, value))| {
        compare(&expected[1], value, &format!("{path}.{name}"))
    })
}

fn bits(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

fn text<'a>(tree: &'a Json, key: &str) -> &'a str {
    tree[key]
        .as_str()
        .unwrap_or_else(|| panic!("`{key}` is not a string in {tree}"))
}

fn list<'a>(tree: &'a Json, key: &str) -> &'a [Json] {
    tree[key]
        .as_array()
        .unwrap_or_else(|| panic!("`{key}` is not a list in {tree}"))
}
