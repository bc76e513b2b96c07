//! What every program of Temper shows of itself.
