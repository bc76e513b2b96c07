//! HTTP: one request, one deadline, one bounded body. Nothing here knows what the body means.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::SourceError;
use crate::config::{PrometheusConfig, without_user};
use crate::resolver::Resolver;

/// The largest body we hold: minutes of raw samples of some hundred pods.
pub(crate) const BODY_BYTES: usize = 32 << 20;

/// A body up to this size is held beside any others.
const SMALL_BODY_BYTES: usize = 256 << 10;

/// Larger ones are held one at a time in the whole process, until they are read: a controller may ask for a hundred windows
/// at once, and its memory is not ours to fill.
static LARGE_BODY: Semaphore = Semaphore::const_new(1);

/// A client that is built at its first use: an idle plugin pays for no TLS.
#[derive(Debug)]
pub(crate) struct Http {
    config: PrometheusConfig,
    built: OnceLock<Client>,
}

/// Status and whole body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Held with a large body.
    _turn: Option<SemaphorePermit<'static>>,
}

impl Http {
    pub(crate) fn new(config: PrometheusConfig) -> Self {
        Self {
            config,
            built: OnceLock::new(),
        }
    }

    pub(crate) fn address(&self) -> String {
        without_user(&self.config.address)
    }

    /// Sends a form; long selectors fit a body where they would not fit an address.
    pub(crate) async fn post(
        &self,
        url: Url,
        form: &[(&str, &str)],
        query: &str,
    ) -> Result<Answer, SourceError> {
        let request = self.client()?.post(url).form(form);
        self.send(request, query).await
    }

    /// Fetches a page.
    pub(crate) async fn get(&self, url: Url, query: &str) -> Result<Answer, SourceError> {
        let request = self.client()?.get(url);
        self.send(request, query).await
    }

    async fn send(&self, request: RequestBuilder, query: &str) -> Result<Answer, SourceError> {
        let request = self.authorized(request)?;
        let timeout = self.config.timeout;
        match tokio::time::timeout(timeout, self.whole(request, query)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(SourceError::Timeout {
                address: self.address(),
                query: query.to_owned(),
                timeout,
            }),
        }
    }

    fn authorized(&self, mut request: RequestBuilder) -> Result<RequestBuilder, SourceError> {
        for (name, value) in &self.config.headers {
            request = request.header(name, value);
        }
        match &self.config.bearer_token_file {
            // Read for every call: the file is rotated under us.
            Some(path) => {
                Ok(request
                    .bearer_auth(String::from_utf8_lossy(&read("bearer token", path)?).trim()))
            }
            None => Ok(request),
        }
    }

    async fn whole(&self, request: RequestBuilder, query: &str) -> Result<Answer, SourceError> {
        let mut response = request
            .send()
            .await
            .map_err(|e| self.unreachable(query, e))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let mut turn = None;
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|e| self.unreachable(query, e))?
        {
            if body.len() + chunk.len() > BODY_BYTES {
                return Err(SourceError::TooLarge {
                    query: query.to_owned(),
                    limit_bytes: BODY_BYTES,
                });
            }
            if turn.is_none() && body.len() + chunk.len() > SMALL_BODY_BYTES {
                // It is never closed, so a permit comes, or the caller's deadline before it.
                turn = LARGE_BODY.acquire().await.ok();
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            body,
            _turn: turn,
        })
    }

    /// The chain of causes, without the URL, which may hold a password.
    fn unreachable(&self, query: &str, error: reqwest::Error) -> SourceError {
        let error = error.without_url();
        let mut cause = error.to_string();
        let mut next = std::error::Error::source(&error);
        while let Some(inner) = next {
            cause = format!("{cause}: {inner}");
            next = inner.source();
        }
        SourceError::Unreachable {
            address: self.address(),
            query: query.to_owned(),
            cause,
        }
    }

    fn client(&self) -> Result<&Client, SourceError> {
        if let Some(client) = self.built.get() {
            return Ok(client);
        }
        let client = build(&self.config, Resolver::system(self.config.timeout))?;
        Ok(self.built.get_or_init(|| client))
    }
}

/// Redirects are not followed: a token must not travel to another host.
fn build(config: &PrometheusConfig, resolver: Resolver) -> Result<Client, SourceError> {
    Client::builder()
        .tls_backend_preconfigured(tls(config)?)
        .dns_resolver(resolver)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(90))
        .user_agent(concat!("temper/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| SourceError::Config(format!("cannot build the HTTP client: {e}")))
}

fn tls(config: &PrometheusConfig) -> Result<ClientConfig, SourceError> {
    let unusable = |e: rustls::Error| SourceError::Config(format!("cannot set up TLS: {e}"));
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots(config)?);
    match &config.client_identity {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            let key_der = PrivateKeyDer::from_pem_slice(&read("client key", key)?)
                .map_err(|e| unreadable("client key", key, e))?;
            builder
                .with_client_auth_cert(certificates("client certificate", chain)?, key_der)
                .map_err(unusable)
        }
    }
}

/// The configured bundle, or the system's; none for plain http, which must work where no bundle exists.
fn roots(config: &PrometheusConfig) -> Result<RootCertStore, SourceError> {
    let mut store = RootCertStore::empty();
    match &config.ca {
        Some(path) => {
            store.add_parsable_certificates(certificates("CA bundle", path)?);
        }
        None if config.address.starts_with("https:") => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(SourceError::Config(
                    "https needs certificates to trust and this system has no CA bundle; set `ca`"
                        .into(),
                ));
            }
        }
        None => {}
    }
    Ok(store)
}

fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let pem = read(what, path)?;
    let found = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| unreadable(what, path, e))?;
    if found.is_empty() {
        return Err(unreadable(what, path, "it holds no PEM certificate"));
    }
    Ok(found)
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, SourceError> {
    std::fs::read(path).map_err(|e| unreadable(what, path, e))
}

fn unreadable(what: &'static str, path: &Path, cause: impl std::fmt::Display) -> SourceError {
    SourceError::File {
        what,
        path: path.display().to_string(),
        cause: cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UdpSocket;

    /// What comes of asking a host where the one name server says nothing.
    async fn unnamed(host: &str) -> SourceError {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        let port = silent.local_addr().unwrap().port();
        let resolver = Resolver::of(dir.path(), port, Duration::from_millis(50));
        let config = PrometheusConfig::at(format!("http://{host}:1"));
        let http = Http::new(config.clone());
        http.built.set(build(&config, resolver).unwrap()).unwrap();
        let url = Url::parse(&config.address).unwrap();
        http.get(url, "up").await.err().unwrap()
    }

    #[tokio::test]
    async fn a_name_server_that_is_down_is_told_from_a_server_that_is() {
        let error = unnamed("prometheus").await;
        assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
        assert!(error.is_transient());
        assert!(
            error
                .to_string()
                .contains("no answer from name server 127.0.0.1")
        );
    }

    #[tokio::test]
    async fn addresses_and_localhost_need_no_name_server() {
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            let error = unnamed(host).await.to_string();
            assert!(!error.contains("DNS"), "{error}");
        }
    }
}
