//! Pages for people and probes: `/incidents` and `/probes/*`.

mod incidents;
mod leader;
mod probes;

use std::sync::{Arc, mpsc::Sender};

use axum::{Router, middleware};
use temper_healer_core::Moment;

use crate::{board::Board, shell::Message};

/// What the pages are made from.
#[derive(Clone)]
struct Source {
    board: Board,
    clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    /// Where the thread that decides is asked.
    shell: Sender<Message>,
}

/// The pages. Whoever does not lead shows those of the one that does, because that one knows what happened.
pub fn router(
    board: Board,
    clock: impl Fn() -> Moment + Send + Sync + 'static,
    shell: Sender<Message>,
) -> Router {
    let source = Source {
        board,
        clock: Arc::new(clock),
        shell,
    };
    incidents::routes()
        .merge(probes::routes())
        .layer(middleware::from_fn_with_state(
            source.clone(),
            leader::asked_first,
        ))
        .with_state(source)
}
