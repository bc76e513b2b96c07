//! The program `temper`.

fn main() {}
