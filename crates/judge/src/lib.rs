//! From a policy and windows of counts to a verdict with reasons.
