//! Where windows of counts come from: the Prometheus HTTP API and direct scrapes.
