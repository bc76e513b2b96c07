//! The metric-provider contract of Argo Rollouts as types and a trait.
