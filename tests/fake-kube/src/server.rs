//! HTTP: requests come in on a loopback port, and what becomes of them goes out.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http_body_util::BodyExt;
use hyper::{
    Response,
    body::{Body, Bytes, Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    fault::{Effect, Fault, Way},
    request::{Request, Verb},
    status::Status,
    watch,
    world::Shared,
};

/// Serves until `stop` is dropped.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    stop: oneshot::Receiver<Infallible>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            // A connection that is gone before it is accepted is nobody's loss.
            if let Ok((connection, _)) = listener.accept().await {
                connections.spawn(converse(connection, shared.clone()));
                while connections.try_join_next().is_some() {} // Those that are over.
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = stop => {}
    }
}

async fn converse(connection: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| receive(shared.clone(), request));
    let conversation = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
    // It ends in an error when a client goes away, or when a fault wants it so.
    drop(conversation.await);
}

/// A request that is here is carried out, whether or not somebody waits for the answer.
async fn receive(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Answer>, Cut> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Err(Cut);
    };
    let uri = &parts.uri;
    let parsed = Request::parse(&parts.method, uri.path(), uri.query().unwrap_or_default());
    let mut request = match parsed {
        Ok(request) => request,
        Err(status) => return Ok(refusal(&status)),
    };
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    content_type
        .unwrap_or_default()
        .clone_into(&mut request.content_type);
    request.body = body.to_bytes().to_vec();
    let answering = tokio::spawn(answer(shared, request));
    answering.await.unwrap_or(Err(Cut))
}

async fn answer(shared: Arc<Shared>, request: Request) -> Result<Response<Answer>, Cut> {
    let (number, fault) = shared.with(|world| world.receive(&request));
    let answer = go_through(&shared, number, &request, fault).await;
    let told = answer.as_ref().ok();
    let told = told.map(|response| response.status().as_u16());
    shared.with(|world| world.outcome(number).told = told);
    answer
}

async fn go_through(
    shared: &Arc<Shared>,
    number: usize,
    request: &Request,
    fault: Option<Fault>,
) -> Result<Response<Answer>, Cut> {
    let (before, after) = match fault {
        Some(fault) if fault.committed => (None, Some(fault)),
        fault => (fault, None),
    };
    if let Some(instead) = strike(before, request).await {
        return instead;
    }
    let answer = carry_out(shared, number, request);
    strike(after, request).await.unwrap_or(Ok(answer))
}

/// What a fault makes of a request instead, if anything.
async fn strike(fault: Option<Fault>, request: &Request) -> Option<Result<Response<Answer>, Cut>> {
    match fault?.effect {
        Effect::Refuse(how) => Some(Ok(refusal(&how.status(request)))),
        Effect::Cut => Some(Err(Cut)),
        Effect::Hold(gate) => match gate.pass().await {
            Way::On => None,
            Way::Back => Some(Err(Cut)),
        },
    }
}

fn carry_out(shared: &Arc<Shared>, number: usize, request: &Request) -> Response<Answer> {
    if request.verb == Verb::Watch {
        return open_stream(shared, number, request);
    }
    let result = shared.with(|world| world.carry_out(number, request));
    result.map_or_else(
        |status| refusal(&status),
        |reply| json(reply.code, whole(&reply.body)),
    )
}

fn open_stream(shared: &Arc<Shared>, number: usize, request: &Request) -> Response<Answer> {
    let stream = watch::open(shared, request);
    let code = stream.as_ref().map_or_else(|status| status.code, |_| 200);
    shared.with(|world| world.outcome(number).done = Some(code));
    stream.map_or_else(
        |status| refusal(&status),
        |lines| json(200, Answer::Stream(lines)),
    )
}

fn refusal(status: &Status) -> Response<Answer> {
    let mut response = json(status.code, whole(&status.to_value()));
    if let Some(seconds) = status.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn json(code: u16, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(code).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn whole(value: &Value) -> Answer {
    Answer::Whole(Some(value.to_string().into()))
}

/// What is sent: a whole body, or lines as they come.
#[derive(Debug)]
enum Answer {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Result<Bytes, Cut>>),
    /// The end of a stream that is cut.
    Broken,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let next = match &mut *self {
            Self::Whole(body) => body.take().map(Ok),
            Self::Stream(lines) => ready!(lines.poll_recv(context)),
            Self::Broken => return Poll::Ready(Some(Err(Cut))),
        };
        if let Some(Err(Cut)) = next {
            // An error makes hyper forget what it has not sent yet; while it waits for more, it sends that.
            *self = Self::Broken;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }
}

/// The connection is to be closed where it is.
#[derive(Debug)]
pub(crate) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_to_wait_is_told_how_long() {
        let response = refusal(&Status::too_many_requests(7));
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[RETRY_AFTER], "7");
        assert!(
            !refusal(&Status::unavailable())
                .headers()
                .contains_key(RETRY_AFTER)
        );
    }
}
