//! Statistics of two arms: rank tests, conditional tests and e-processes from counts.
