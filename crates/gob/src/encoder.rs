//! One direction of a stream: values in, bytes out.

use alloc::vec::Vec;

use serde::Serialize;

use crate::error::Error;
use crate::plan::{Form, Node, Plan};
use crate::ser::{Sent, Target};
use crate::types::Type;
use crate::value::Value;
use crate::wire::{put_bytes, put_int};

/// Encodes values for one direction of a gob stream, without doing any output itself.
///
/// The definition of a type goes out once, before the first value that needs it: use one encoder for
/// each direction of each stream, and write what it made in the order in which it made it.
///
/// ```
/// use temper_gob::{Encoder, Type};
///
/// let mut bytes = Vec::new();
/// Encoder::new().encode(&Type::int(), &3, &mut bytes)?;
/// assert_eq!(bytes, [0x03, 0x04, 0x00, 0x06]);
/// # Ok::<(), temper_gob::Error>(())
/// ```
///
/// What a field holds is left out where Go would leave it out: zero numbers, `false`, empty strings and
/// slices, `None`. Empty maps, structures and arrays are sent.
#[derive(Debug, Default)]
pub struct Encoder {
    plan: Plan,
    /// Definitions that go out before the next value.
    pending: Vec<u8>,
}

impl Encoder {
    /// An encoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `value`, as a value of type `ty`, to `out`, after the definitions that the peer does not have
    /// yet. On an error nothing is appended and the encoder can go on.
    pub fn encode<T: Serialize + ?Sized>(
        &mut self,
        ty: &Type,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let index = self.plan.add(ty, &mut self.pending)?;
        let node = self.plan.node(index)?;
        let mut message = Vec::new();
        put_int(&mut message, node.id);
        put_alone(&self.plan, node, value, &mut message)?;
        out.append(&mut self.pending);
        put_bytes(out, &message);
        Ok(())
    }

    /// Appends a self-describing `value`, as a value of type `ty`, to `out`; otherwise like
    /// [`encode`](Encoder::encode).
    pub fn encode_value(
        &mut self,
        ty: &Type,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.encode(ty, value, out)
    }
}

/// Writes a value on its own, at the top or in an interface, after its type: a structure as it is,
/// anything else after a zero.
pub(crate) fn put_alone<T: Serialize + ?Sized>(
    plan: &Plan,
    node: &Node,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if !matches!(node.form, Form::Struct(..)) {
        out.push(0);
    }
    match value.serialize(Target::new(plan, node, out))? {
        Sent::Nothing => Err(Error::unencodable(node.form.describe(), "nothing")),
        Sent::Zero | Sent::Value => Ok(()),
    }
}
