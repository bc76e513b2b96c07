//! Plain HTTP to a server: one connection a request, so that nothing is left over from one to the next.

use std::{env, io, path::Path, sync::Arc};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, Uri,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::Stream;
use crate::Control;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is none.
    #[error(
        "reading the address of the server {0:?}: it is no http:// or https:// URL with a host"
    )]
    Address(String),
    /// The certificates are none.
    #[error("reading certificates of the server from {0}: {1}")]
    Certificates(String, String),
    /// Nobody is there.
    #[error("connecting to the server at {0}: {1}")]
    Connect(String, #[source] io::Error),
    /// The connection broke, or what came was no HTTP.
    #[error("talking to the server: {0}")]
    Talk(#[from] hyper::Error),
    /// The request can't be made.
    #[error("making a request: {0}")]
    Request(#[from] hyper::http::Error),
    /// The answer is no JSON.
    #[error("reading the answer {0:?}: it is no JSON")]
    Answer(String),
    /// The server refused to tell what happens.
    #[error("opening a stream: the server refused: {0}")]
    NoStream(String),
    /// Something did not come in time.
    #[error("waiting for {0}: it did not come in time")]
    Late(&'static str),
}

/// How a server is made to forget what happened, without waiting for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Compaction {
    /// Of a fake one.
    Fake(Control),
    /// Of a real one, by the address of its etcd, which speaks plain HTTP.
    Etcd(String),
}

/// A server to talk to, and a namespace on it.
#[derive(Debug, Clone)]
pub struct Server {
    address: Uri,
    tls: Option<Arc<ClientConfig>>,
    token: String,
    pub(super) namespace: String,
    pub(super) compaction: Option<Compaction>,
}

impl Server {
    /// One that takes anybody, over plain HTTP.
    pub fn plain(url: &str) -> Result<Self, Error> {
        let address = url.parse().ok();
        let address = address.filter(|address: &Uri| address.host().is_some());
        let address = address.ok_or_else(|| Error::Address(url.to_owned()))?;
        Ok(Self {
            address,
            tls: None,
            token: String::new(),
            namespace: "default".to_owned(),
            compaction: None,
        })
    }

    /// One that knows the token, and is known by a certificate in the file `authority` (PEM).
    pub fn secure(url: &str, token: &str, authority: &Path) -> Result<Self, Error> {
        Ok(Self {
            tls: Some(trust(authority)?),
            token: token.to_owned(),
            ..Self::plain(url)?
        })
    }

    /// The one that `TEMPER_KUBE_URL`, `TEMPER_KUBE_TOKEN` and `TEMPER_KUBE_CA` name, if they do; `TEMPER_KUBE_ETCD` may say
    /// where its etcd is.
    pub fn from_environment() -> Result<Option<Self>, Error> {
        let Ok(url) = env::var("TEMPER_KUBE_URL") else {
            return Ok(None);
        };
        let token = env::var("TEMPER_KUBE_TOKEN").unwrap_or_default();
        let mut server = match env::var_os("TEMPER_KUBE_CA") {
            Some(authority) => Self::secure(&url, &token, Path::new(&authority))?,
            None => Self::plain(&url)?,
        };
        server.token = token;
        server.compaction = env::var("TEMPER_KUBE_ETCD").ok().map(Compaction::Etcd);
        Ok(Some(server))
    }

    /// The same, which can be made to forget.
    #[must_use]
    pub fn forgetting(mut self, compaction: Compaction) -> Self {
        self.compaction = Some(compaction);
        self
    }

    /// The code and the JSON that a request is answered with.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Error> {
        let response = self.send(method, path, media_type, body).await?;
        let code = response.status().as_u16();
        Ok((code, whole(response).await?))
    }

    /// What happens from now on; `path` asks for it by `watch=1`.
    pub async fn watch(&self, path: &str) -> Result<Stream, Error> {
        let response = self.send(Method::GET, path, "", None).await?;
        if response.status().is_success() {
            return Ok(Stream::new(response.into_body()));
        }
        Err(Error::NoStream(whole(response).await?.to_string()))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, Error> {
        let request = self.request(method, path, media_type, body)?;
        let connection = self.connect().await?;
        let Some(config) = &self.tls else {
            return converse(connection, request).await;
        };
        let name = ServerName::try_from(self.host().to_owned()).ok();
        let name = name.ok_or_else(|| Error::Address(self.address.to_string()))?;
        let secured = TlsConnector::from(config.clone()).connect(name, connection);
        let failed = |error| Error::Connect(self.address.to_string(), error);
        converse(secured.await.map_err(failed)?, request).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let authority = self
            .address
            .authority()
            .map_or("", |authority| authority.as_str());
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, authority)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, media_type);
        Ok(request.body(Full::from(body))?)
    }

    async fn connect(&self) -> Result<TcpStream, Error> {
        let default = if self.tls.is_some() { 443 } else { 80 };
        let port = self.address.port_u16().unwrap_or(default);
        TcpStream::connect((self.host(), port))
            .await
            .map_err(|error| Error::Connect(self.address.to_string(), error))
    }

    fn host(&self) -> &str {
        self.address.host().unwrap_or_default()
    }

    /// Makes the server forget what happened up to this version; says whether it is known how.
    pub(super) async fn forget(&self, version: u64) -> Result<bool, Error> {
        match &self.compaction {
            None => return Ok(false),
            Some(Compaction::Fake(control)) => control.compact(),
            Some(Compaction::Etcd(url)) => {
                let order = json!({ "revision": version, "physical": true });
                let etcd = Self::plain(url)?;
                let path = "/v3/kv/compaction";
                etcd.ask(Method::POST, path, "application/json", Some(&order))
                    .await?;
            }
        }
        Ok(true)
    }
}

async fn whole(response: Response<Incoming>) -> Result<Value, Error> {
    let bytes = response.into_body().collect().await?.to_bytes();
    serde_json::from_slice(&bytes)
        .map_err(|_error| Error::Answer(String::from_utf8_lossy(&bytes).into_owned()))
}

fn trust(authority: &Path) -> Result<Arc<ClientConfig>, Error> {
    let failed = |why: String| Error::Certificates(authority.display().to_string(), why);
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(authority).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| failed(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    Ok(Arc::new(
        config.with_root_certificates(roots).with_no_client_auth(),
    ))
}

async fn converse(
    connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Error> {
    let (mut sender, conversation) = http1::handshake(TokioIo::new(connection)).await?;
    // It ends with the response, or when that is dropped.
    tokio::spawn(conversation);
    Ok(sender.send_request(request).await?)
}
