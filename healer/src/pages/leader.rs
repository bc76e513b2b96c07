//! The pages of the healer that leads, shown by one that does not.
//!
//! A Service has both replicas behind it, and only the one that holds the Lease knows what was decided. So the other one asks it; the
//! Lease says where.

use std::{net::SocketAddr, pin::pin, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt as _, future::FusedFuture as _};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::Source;

/// A leader that takes longer is not there: probes want an answer within seconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thousand incidents, told at length, are smaller.
const MOST_BYTES: usize = 64 << 20;

/// Says that another healer asks, who must not be asked in return.
const ASKED: HeaderName = HeaderName::from_static("temper-healer-asks");

/// What can go wrong between two healers.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Shows the leader's page if there is one to ask; else our own, which knows less and says so.
pub(super) async fn asked_first(
    State(source): State<Source>,
    request: Request,
    next: Next,
) -> Response {
    let leader = source.board.read(|notes| notes.standing.leader_pages);
    let Some(leader) = leader.filter(|_| !request.headers().contains_key(ASKED)) else {
        return next.run(request).await;
    };
    match timeout(PATIENCE, ask(leader, request.uri(), request.headers())).await {
        Ok(Ok(response)) => response,
        failed => {
            tracing::debug!(%leader, ?failed, "asking the healer that leads");
            next.run(request).await
        }
    }
}

async fn ask(leader: SocketAddr, page: &Uri, headers: &HeaderMap) -> Result<Response, Failure> {
    let stream = TcpStream::connect(leader).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let question = question(leader, page, headers)?;
    let asking = async {
        let (head, body) = sender.send_request(question).await?.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await?.to_bytes();
        Ok(page_of(head.status, &head.headers, body))
    };
    // The connection carries the answer only while it is polled, and is closed with this.
    let mut connection = pin!(connection.fuse());
    let mut asking = pin!(asking);
    loop {
        tokio::select! {
            answer = &mut asking => return answer,
            ended = &mut connection, if !connection.is_terminated() => ended?,
        }
    }
}

fn question(
    leader: SocketAddr,
    page: &Uri,
    headers: &HeaderMap,
) -> Result<hyper::Request<Empty<Bytes>>, Failure> {
    let page = page.path_and_query().map_or("/", |page| page.as_str());
    let mut question = hyper::Request::get(page)
        .header(header::HOST, leader.to_string())
        .header(ASKED, HeaderValue::from_static("1"));
    if let Some(accepts) = headers.get(header::ACCEPT) {
        question = question.header(header::ACCEPT, accepts);
    }
    Ok(question.body(Empty::new())?)
}

fn page_of(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Response {
    let mut response = (status, Body::from(body)).into_response();
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, kind.clone());
    }
    response
}
