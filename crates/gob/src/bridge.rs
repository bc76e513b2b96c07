//! How types of this crate that have no counterpart in serde's model pass through it.
//!
//! They are newtype structs of these names, which no type of another crate has. The deserializer and
//! the serializer of this crate know them; for those of other formats they are what they look like.

/// [`Opaque`](crate::Opaque): bytes.
pub(crate) const OPAQUE: &str = "temper_gob::Opaque";
/// [`Time`](crate::Time): bytes.
pub(crate) const TIME: &str = "temper_gob::Time";
/// [`Interface`](crate::Interface): a name and an optional value.
pub(crate) const INTERFACE: &str = "temper_gob::Interface";
/// [`Value`](crate::Value), when read: an enum whose variant is the [`tag`] of its kind.
pub(crate) const VALUE: &str = "temper_gob::Value";

/// The kinds of a [`Value`](crate::Value); a structure has its name instead.
pub(crate) mod tag {
    pub(crate) const BOOL: u8 = 0;
    pub(crate) const INT: u8 = 1;
    pub(crate) const UINT: u8 = 2;
    pub(crate) const FLOAT: u8 = 3;
    pub(crate) const COMPLEX: u8 = 4;
    pub(crate) const BYTES: u8 = 5;
    pub(crate) const STRING: u8 = 6;
    pub(crate) const LIST: u8 = 7;
    pub(crate) const MAP: u8 = 8;
    pub(crate) const INTERFACE: u8 = 9;
    pub(crate) const OPAQUE: u8 = 10;
}
