//! HTTP: requests come in on a loopback port, and what becomes of them goes out.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
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
    fault::{Effect, Fault},
    request::{Request, Verb},
    status::Status,
    watch,
    world::Shared,
};

/// Serves until `stop` is dropped.
pub(crate) async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, stop: oneshot::Receiver<Infallible>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            // A connection that is gone before it is accepted is nobody's loss.
            if let Ok((connection, _)) = listener.accept().await {
                connections.spawn(converse(connection, shared.clone()));
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
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let uri = &parts.uri;
    let parsed = Request::parse(&parts.method, uri.path(), uri.query().unwrap_or_default());
    let mut request = match parsed {
        Ok(request) => request,
        Err(status) => return Ok(refusal(&status)),
    };
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    content_type.unwrap_or_default().clone_into(&mut request.content_type);
    request.body = body.to_vec();
    let answering = tokio::spawn(answer(shared, request));
    answering.await.unwrap_or(Err(Cut))
}

async fn answer(shared: Arc<Shared>, request: Request) -> Result<Response<Answer>, Cut> {
    let (number, fault) = shared.with(|world| world.receive(&request));
    let (before, after) = match fault {
        Some(fault) if fault.committed => (None, Some(fault)),
        fault => (fault, None),
    };
    let struck = strike(before, &request).await;
    let answer = match struck {
        Struck::Not => {
            let done = carry_out(&shared, number, &request);
            match strike(after, &request).await {
                Struck::Not => done,
                Struck::Refused(response) => Ok(response),
                Struck::Cut => Err(Cut),
            }
        }
        Struck::Refused(response) => Ok(response),
        Struck::Cut => Err(Cut),
    };
    let told = answer.as_ref().ok().map(|response| response.status().as_u16());
    shared.with(|world| world.outcome(number).told = told);
    answer
}

enum Struck {
    Not,
    Refused(Response<Answer>),
    Cut,
}

async fn strike(fault: Option<Fault>, request: &Request) -> Struck {
    match fault.map(|fault| fault.effect) {
        None => Struck::Not,
        Some(Effect::Refuse(how)) => Struck::Refused(refusal(&how.status(request))),
        Some(Effect::Cut) => Struck::Cut,
        Some(Effect::Hold(gate)) => {
            gate.pass().await;
            Struck::Not
        }
    }
}

fn carry_out(shared: &Arc<Shared>, number: usize, request: &Request) -> Result<Response<Answer>, Cut> {
    if request.verb == Verb::Watch {
        let stream = watch::open(shared, request);
        let code = stream.as_ref().map_or_else(|status| status.code, |_| 200);
        shared.with(|world| world.outcome(number).done = Some(code));
        return Ok(stream.map_or_else(|status| refusal(&status), |lines| json(200, Answer::Stream(lines))));
    }
    let result = shared.with(|world| world.carry_out(number, request));
    Ok(match result {
        Ok(reply) => json(reply.code, whole(&reply.body)),
        Err(status) => refusal(&status),
    })
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
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let next = match self.get_mut() {
            Self::Whole(body) => Poll::Ready(body.take().map(Ok)),
            Self::Stream(lines) => lines.poll_recv(context),
        };
        next.map(|next| next.map(|bytes| bytes.map(Frame::data)))
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
