//! Finds a type by which given values can be encoded.

use temper_gob::{Marshaler, Type, Value};

/// A type that has room for all `samples`, which are of one type in Go.
pub(crate) fn common_type(samples: &[&Value]) -> Type {
    match samples.first() {
        None | Some(Value::Bool(_)) => Type::bool(),
        Some(Value::Int(_)) => Type::int(),
        Some(Value::Uint(_)) => Type::uint(),
        Some(Value::Float(_)) => Type::float(),
        Some(Value::Complex(..)) => Type::complex(),
        Some(Value::Bytes(_)) => Type::bytes(),
        Some(Value::String(_)) => Type::string(),
        Some(Value::Opaque(_)) => Type::marshaler("", Marshaler::Gob),
        Some(Value::List(_)) => Type::list(element_type(samples)),
        Some(Value::Map(_)) => map_type(samples),
        Some(Value::Struct { name, .. }) => structure_type(name, samples),
        Some(Value::Interface { .. }) => interface_type(samples),
    }
}

fn element_type(lists: &[&Value]) -> Type {
    let elements = lists.iter().flat_map(|list| match list {
        Value::List(elements) => elements.iter(),
        other => panic!("{other:?} is no list"),
    });
    common_type(&elements.collect::<Vec<_>>())
}

fn map_type(maps: &[&Value]) -> Type {
    let pairs = maps.iter().flat_map(|map| match map {
        Value::Map(pairs) => pairs.iter(),
        other => panic!("{other:?} is no map"),
    });
    let (keys, values): (Vec<_>, Vec<_>) = pairs.map(|(key, value)| (key, value)).unzip();
    Type::map(common_type(&keys), common_type(&values))
}

fn structure_type(name: &str, structures: &[&Value]) -> Type {
    let mut fields: Vec<(&str, Vec<&Value>)> = Vec::new();
    for structure in structures {
        let Value::Struct {
            fields: present, ..
        } = structure
        else {
            panic!("{structure:?}")
        };
        let mut next = 0;
        for (name, value) in present {
            let known = fields.iter().position(|(known, _)| *known == &**name);
            let place = known.unwrap_or(next);
            if known.is_none() {
                fields.insert(place, (name, Vec::new()));
            }
            fields[place].1.push(value);
            next = place + 1;
        }
    }
    Type::structure(
        name,
        fields
            .iter()
            .map(|(name, values)| (*name, common_type(values))),
    )
}

fn interface_type(interfaces: &[&Value]) -> Type {
    let mut held: Vec<(&str, Vec<&Value>)> = Vec::new();
    for interface in interfaces {
        let Value::Interface { name, value } = interface else {
            panic!("{interface:?}")
        };
        let Some(value) = value else { continue };
        match held.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => held.push((name, vec![value])),
        }
    }
    Type::interface(
        held.iter()
            .map(|(name, values)| (*name, common_type(values))),
    )
}
