//! Tests from outside: what a user of the program sees.
#![cfg(test)]

mod arrows;
mod by_hand;
mod recorded_host;
