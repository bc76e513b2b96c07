//! The healer's shell: Kafka in, Kubernetes out.
