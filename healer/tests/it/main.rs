//! The healer from outside.

mod replay;
