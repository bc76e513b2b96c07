//! Writes one definition.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Marshaler;
use crate::plan::{Form, Node, Plan};
use crate::wire::{put_bytes, put_int, put_uint, wide};

/// Writes the message that defines the type of `node`, if it needs one.
pub(crate) fn definition(plan: &Plan, node: &Node, out: &mut Vec<u8>) {
    let id = |index: &usize| plan.node(*index).map_or(0, |node| node.id);
    let mut message = Vec::new();
    put_int(&mut message, node.id.saturating_neg());
    let body = &mut message;
    match &node.form {
        Form::Array(element, length) => {
            put_head(body, 1, "", node.id);
            put_field(body, 1, id(element));
            put_field(body, 1, i64::try_from(*length).unwrap_or(i64::MAX));
        }
        Form::List(element) => {
            put_head(body, 2, "", node.id);
            put_field(body, 1, id(element));
        }
        Form::Struct(name, fields) => {
            put_head(body, 3, name, node.id);
            put_fields(body, fields, id);
        }
        Form::Map(key, value) => {
            put_head(body, 4, "", node.id);
            put_field(body, 1, id(key));
            put_field(body, 1, id(value));
        }
        Form::Opaque(name, marshaler) => {
            let field = match marshaler {
                Marshaler::Gob => 5,
                Marshaler::Binary => 6,
                Marshaler::Text => 7,
            };
            put_head(body, field, name, node.id);
        }
        _ => return,
    }
    body.extend_from_slice(&[0, 0]);
    put_bytes(out, &message);
}

/// The start of a `wireType`: which of its fields is there, and the common part of that.
fn put_head(out: &mut Vec<u8>, field: u64, name: &str, id: i64) {
    put_uint(out, field);
    put_uint(out, 1);
    put_name_and_id(out, name, id);
}

fn put_name_and_id(out: &mut Vec<u8>, name: &str, id: i64) {
    if name.is_empty() {
        put_uint(out, 2);
    } else {
        put_uint(out, 1);
        put_bytes(out, name.as_bytes());
        put_uint(out, 1);
    }
    put_int(out, id);
    put_uint(out, 0);
}

/// An integer field of a definition.
fn put_field(out: &mut Vec<u8>, delta: u64, value: i64) {
    put_uint(out, delta);
    put_int(out, value);
}

fn put_fields(out: &mut Vec<u8>, fields: &[(Arc<str>, usize)], id: impl Fn(&usize) -> i64) {
    if fields.is_empty() {
        return;
    }
    put_uint(out, 1);
    put_uint(out, wide(fields.len()));
    for (name, node) in fields {
        put_name_and_id(out, name, id(node));
    }
}
