//! Drives a real control plane against the built program: what the stories in `stories/` are told with.
//!
//! Everything that runs is the real thing: etcd, kube-apiserver, the Argo Rollouts controller, Prometheus and Kafka,
//! got from their own modules and archives by `parts/build`, and our own program with its demonstration fleet. Each [`Stage`] has a set
//! of its own on a loopback address of its own, so stories neither meet nor wait for one another.

pub mod parts;
pub mod child;
pub mod http;
pub mod patience;
pub mod figures;
pub mod home;
pub mod cluster;
pub mod controller;
pub mod fleet;
pub mod prometheus;
pub mod kafka;
pub mod workloads;
pub mod workers;
pub mod healer;
pub mod kubelet;
pub mod streamforge;
pub mod analysis;
pub mod stage;

pub use stage::Stage;
pub use streamforge::StreamForge;
