//! Tests from outside: what a user of the program sees.
