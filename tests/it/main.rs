//! Tests from outside: what a user of the program sees.
#![cfg(test)]

mod arrows;
mod by_hand;
mod demo;
mod judge;
mod record;
mod recorded_host;
