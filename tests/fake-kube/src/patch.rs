//! Patches: JSON merge patch (RFC 7386) and JSON patch (RFC 6902).

use serde_json::{Map, Value};

/// Merges a patch into a target: nulls take away, objects are merged, all else replaces.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Some(changes) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, change) in changes {
        if let Some(fields) = target.as_object_mut() {
            if change.is_null() {
                fields.remove(name);
            } else {
                merge(fields.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
    }
}

/// Applies operations in their order; `None` if one of them can't be.
pub(crate) fn apply(target: &Value, operations: &Value) -> Option<Value> {
    let mut result = target.clone();
    for operation in operations.as_array()? {
        apply_one(&mut result, operation)?;
    }
    Some(result)
}

fn apply_one(target: &mut Value, operation: &Value) -> Option<()> {
    let path = operation["path"].as_str()?;
    let from = || operation["from"].as_str();
    let value = || operation.get("value").cloned();
    match operation["op"].as_str()? {
        "add" => add(target, path, value()?),
        "remove" => take(target, path).map(drop),
        "replace" => {
            *target.pointer_mut(path)? = value()?;
            Some(())
        }
        "move" => {
            let moved = take(target, from()?)?;
            add(target, path, moved)
        }
        "copy" => {
            let copied = target.pointer(from()?)?.clone();
            add(target, path, copied)
        }
        "test" => (target.pointer(path)? == &value()?).then_some(()),
        _ => None,
    }
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    let Some((parent, last)) = path.rsplit_once('/') else {
        *target = value;
        return Some(());
    };
    match target.pointer_mut(parent)? {
        Value::Object(fields) => {
            fields.insert(unescape(last), value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let place = last.parse().ok().filter(|place| *place <= items.len())?;
            items.insert(place, value);
        }
        _ => return None,
    }
    Some(())
}

fn take(target: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = path.rsplit_once('/')?;
    match target.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(&unescape(last)),
        Value::Array(items) => {
            let place = last.parse().ok().filter(|place| *place < items.len())?;
            Some(items.remove(place))
        }
        _ => None,
    }
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_replaces_takes_away_and_descends() {
        let mut target = json!({ "a": { "b": 1, "c": 2 }, "d": [1, 2], "e": "text" });
        merge(
            &mut target,
            &json!({ "a": { "b": null, "x": {} }, "d": [3], "e": { "f": null, "g": 1 } }),
        );
        let expected = json!({ "a": { "c": 2, "x": {} }, "d": [3], "e": { "g": 1 } });
        assert_eq!(target, expected);
    }

    #[test]
    fn operations_are_applied_in_order_or_not_at_all() {
        let target = json!({ "metadata": { "labels": { "a/b": "1" } }, "list": [1, 2] });
        for (operations, expected) in [
            (
                json!([{ "op": "remove", "path": "/metadata/labels/a~1b" }]),
                Some(json!({ "metadata": { "labels": {} }, "list": [1, 2] })),
            ),
            (
                json!([{ "op": "add", "path": "/list/-", "value": 3 }, { "op": "move", "from": "/list/0", "path": "/list/1" }]),
                Some(json!({ "metadata": { "labels": { "a/b": "1" } }, "list": [2, 1, 3] })),
            ),
            (
                json!([{ "op": "copy", "from": "/list", "path": "/twin" }, { "op": "replace", "path": "/list", "value": 0 }]),
                Some(
                    json!({ "metadata": { "labels": { "a/b": "1" } }, "list": 0, "twin": [1, 2] }),
                ),
            ),
            (
                json!([{ "op": "test", "path": "/list/0", "value": 2 }]),
                None,
            ),
            (
                json!([{ "op": "add", "path": "/nowhere/x", "value": 2 }]),
                None,
            ),
            (
                json!([{ "op": "add", "path": "/list/9", "value": 2 }]),
                None,
            ),
            (json!([{ "op": "remove", "path": "/none" }]), None),
            (json!([{ "op": "increment", "path": "/list/0" }]), None),
            (json!({}), None),
        ] {
            assert_eq!(apply(&target, &operations), expected, "{operations}");
        }
    }
}
