//! Type definitions on the wire: values of Go's `wireType`, a structure known to both sides.
//!
//! ```text
//! wireType   { ArrayT arrayType, SliceT sliceType, StructT structType, MapT mapType,
//!              GobEncoderT, BinaryMarshalerT, TextMarshalerT gobEncoderType }   // exactly one is there
//! arrayType  { commonType, Elem int, Len int }
//! sliceType  { commonType, Elem int }
//! structType { commonType, Field []fieldType }
//! mapType    { commonType, Key int, Elem int }
//! gobEncoderType { commonType }
//! commonType { Name string, Id int }
//! fieldType  { Name string, Id int }
//! ```
//!
//! The id inside `commonType` is not looked at: Go itself sends ones that differ from the id under which
//! the type is defined.

pub(crate) mod read;
pub(crate) mod write;
