//! The pages by which a cluster judges a program, and a server for them that no client can bring down.
//!
//! | page | says |
//! |---|---|
//! | `/livez` | 200 as long as the program answers at all; a program is not restarted because others are down |
//! | `/readyz` | 200, or 503 with a line for each reason |
//! | `/metrics` | all that was declared |
//!
//! Further pages are merged by the caller: `ops.router().merge(incidents)`.

mod readiness;
mod serve;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

pub use self::{
    readiness::Readiness,
    serve::{Limits, serve, serve_within},
};
use crate::metrics::{self, Metrics};

/// What a program shows of itself.
#[derive(Debug, Clone)]
pub struct Ops {
    /// Whether it can do its work.
    pub ready: Readiness,
    /// What it has counted.
    pub metrics: Arc<Metrics>,
}

impl Ops {
    /// The pages of this module.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(readyz).with_state(self.ready.clone()))
            .route("/metrics", get(page).with_state(Arc::clone(&self.metrics)))
    }
}

async fn readyz(State(ready): State<Readiness>) -> (StatusCode, String) {
    let reasons = ready.reasons();
    if reasons.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let lines = reasons
        .iter()
        .map(|(name, reason)| format!("{name}: {reason}\n"));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}

async fn page(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.page() {
        Ok(page) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response(),
        Err(error) => {
            let message = format!("writing the metrics page: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
