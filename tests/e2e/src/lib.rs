//! Drives a real control plane against the built program.
