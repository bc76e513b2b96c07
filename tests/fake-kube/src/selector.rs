//! Which objects a LIST or a WATCH asks for.

use serde_json::Value;

use crate::{object::text, request::Query, resource::Resource, status::Status};

/// A selection by labels and fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: Vec<Label>,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Label {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

#[derive(Debug, Clone)]
struct Field {
    pointer: &'static str,
    value: String,
    equal: bool,
}

impl Selector {
    pub(crate) fn parse(resource: Resource, query: &Query) -> Result<Self, Status> {
        Ok(Self {
            labels: labels(query.text("labelSelector"))?,
            fields: fields(resource, query.text("fieldSelector"))?,
        })
    }

    /// The selection of one object by its name.
    pub(crate) fn selects_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn selects(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|label| label.selects(labels))
            && self.fields.iter().all(|field| field.selects(object))
    }
}

impl Label {
    fn selects(&self, labels: &Value) -> bool {
        let value = |name: &String| labels.get(name).and_then(Value::as_str);
        match self {
            Self::In(name, values) => {
                value(name).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Self::NotIn(name, values) => {
                value(name).is_none_or(|value| values.iter().all(|one| one != value))
            }
            Self::Exists(name) => value(name).is_some(),
            Self::Absent(name) => value(name).is_none(),
        }
    }

    fn parse(text: &str) -> Result<Self, Status> {
        if let Some(name) = text.strip_prefix('!') {
            return Ok(Self::Absent(word(name)?));
        }
        for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
            if let Some((name, value)) = text.split_once(operator) {
                return Ok(Self::one_of(
                    word(name)?,
                    vec![value.trim().to_owned()],
                    equal,
                ));
            }
        }
        let Some((before, values)) = text.split_once('(') else {
            return Ok(Self::Exists(word(text)?));
        };
        let values = values
            .trim_end()
            .strip_suffix(')')
            .ok_or_else(|| unreadable(text))?;
        let values = values
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        match before.split_whitespace().collect::<Vec<_>>().as_slice() {
            [name, "in"] => Ok(Self::one_of(word(name)?, values, true)),
            [name, "notin"] => Ok(Self::one_of(word(name)?, values, false)),
            _ => Err(unreadable(text)),
        }
    }

    const fn one_of(name: String, values: Vec<String>, equal: bool) -> Self {
        if equal {
            Self::In(name, values)
        } else {
            Self::NotIn(name, values)
        }
    }
}

fn labels(text: &str) -> Result<Vec<Label>, Status> {
    let parts = requirements(text);
    parts.iter().map(|part| Label::parse(part.trim())).collect()
}

/// Cuts at those commas that are not in brackets.
fn requirements(text: &str) -> Vec<&str> {
    let mut open = false;
    let cut = |character| {
        match character {
            '(' => open = true,
            ')' => open = false,
            _ => {}
        }
        character == ',' && !open
    };
    text.split(cut)
        .filter(|part| !part.trim().is_empty())
        .collect()
}

fn word(text: &str) -> Result<String, Status> {
    let word = text.trim();
    let odd = |character: char| !(character.is_ascii_alphanumeric() || "-_./".contains(character));
    if word.is_empty() || word.contains(odd) {
        return Err(unreadable(text));
    }
    Ok(word.to_owned())
}

fn unreadable(text: &str) -> Status {
    Status::bad_request(format!("unable to parse requirement: {text}"))
}

fn fields(resource: Resource, text: &str) -> Result<Vec<Field>, Status> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts.map(|part| field(resource, part)).collect()
}

fn field(resource: Resource, text: &str) -> Result<Field, Status> {
    let (name, value, equal) = [("!=", false), ("==", true), ("=", true)]
        .into_iter()
        .find_map(|(operator, equal)| {
            let (name, value) = text.split_once(operator)?;
            Some((name, value, equal))
        })
        .ok_or_else(|| Status::bad_request(format!("invalid field selector: '{text}'")))?;
    let pointer = pointer(resource, name).ok_or_else(|| unknown_field(resource, name))?;
    Ok(Field {
        pointer,
        value: value.to_owned(),
        equal,
    })
}

/// Each resource has its own words for it.
fn unknown_field(resource: Resource, name: &str) -> Status {
    Status::bad_request(match resource {
        Resource::Jobs => format!("field label \"{name}\" not supported for Job"),
        Resource::Pods | Resource::Nodes | Resource::Events | Resource::HealingPolicies => {
            format!("field label not supported: {name}")
        }
        Resource::Leases | Resource::ConfigMaps => format!(
            "\"{name}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        ),
    })
}

fn pointer(resource: Resource, name: &str) -> Option<&'static str> {
    match (resource, name) {
        (_, "metadata.name") => Some("/metadata/name"),
        (_, "metadata.namespace") => Some("/metadata/namespace"),
        (Resource::Pods, "status.phase") => Some("/status/phase"),
        (Resource::Pods, "spec.nodeName") => Some("/spec/nodeName"),
        _ => None,
    }
}

impl Field {
    fn selects(&self, object: &Value) -> bool {
        (text(object, self.pointer) == self.value) == self.equal
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(selector: &str) -> Result<bool, u16> {
        let object =
            json!({ "metadata": { "labels": { "app": "streamforge", "queue_id": "q1" } } });
        let labels = labels(selector).map_err(|status| status.code)?;
        Ok(labels
            .iter()
            .all(|label| label.selects(&object["metadata"]["labels"])))
    }

    #[test]
    fn labels_are_compared_as_kubernetes_does() {
        for (selector, expected) in [
            ("", Ok(true)),
            ("app=streamforge", Ok(true)),
            ("app==streamforge,queue_id=q2", Ok(false)),
            ("app!=other", Ok(true)),
            ("none!=other", Ok(true)),
            ("queue_id in (q1, q2),app", Ok(true)),
            ("queue_id notin (q1,q2)", Ok(false)),
            ("none notin (q1)", Ok(true)),
            ("!none", Ok(true)),
            ("!app", Ok(false)),
            ("a b c", Err(400)),
            ("app in q1", Err(400)),
            ("app in (q1", Err(400)),
            ("=x", Err(400)),
        ] {
            assert_eq!(selects(selector), expected, "{selector}");
        }
    }

    #[test]
    fn fields_are_compared_where_the_resource_knows_them() {
        let pod = json!({ "metadata": { "name": "a" }, "status": { "phase": "Running" } });
        let selected = |text| {
            let fields = fields(Resource::Pods, text).map_err(|status| status.message)?;
            Ok(fields.iter().all(|field| field.selects(&pod)))
        };
        assert_eq!(selected("metadata.name=a,status.phase!=Failed"), Ok(true));
        assert_eq!(selected("metadata.name=b"), Ok(false));
        let refusal: Result<bool, _> = Err("field label not supported: spec.foo".to_owned());
        assert_eq!(selected("spec.foo=b"), refusal);
    }
}
