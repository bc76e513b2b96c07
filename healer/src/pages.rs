//! Pages for people and probes: `/incidents` and `/probes/*`.

mod incidents;
mod probes;

use std::sync::Arc;

use axum::Router;
use temper_healer_core::Moment;

use crate::board::Board;

/// What the pages are made from.
#[derive(Clone)]
struct Source {
    board: Board,
    clock: Arc<dyn Fn() -> Moment + Send + Sync>,
}

/// The pages.
pub fn router(board: Board, clock: impl Fn() -> Moment + Send + Sync + 'static) -> Router {
    let source = Source {
        board,
        clock: Arc::new(clock),
    };
    incidents::routes()
        .merge(probes::routes())
        .with_state(source)
}
