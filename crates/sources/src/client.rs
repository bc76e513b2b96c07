//! HTTP: one request, one deadline, one bounded body. Nothing here knows what the body means.

mod resolver;
mod tls;

use std::error::Error;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use tokio::sync::{Semaphore, SemaphorePermit};

use self::resolver::Resolver;
use crate::SourceError;
use crate::config::{PrometheusConfig, without_user};

/// The largest body we hold: minutes of raw samples of some hundred pods.
pub(crate) const BODY_BYTES: usize = 32 << 20;

/// A body up to this size is held beside any others.
const SMALL_BODY_BYTES: usize = 256 << 10;

/// Larger ones are held one at a time in the whole process, until they are read: a controller may ask for a hundred windows
/// at once, and its memory is not ours to fill.
static LARGE_BODY: Semaphore = Semaphore::const_new(1);

/// What is shorter is hardly a secret, but may well be a part of any number or word.
const SHORTEST_SECRET: usize = 8;

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
            Some(path) => Ok(request.header(AUTHORIZATION, bearer(path)?)),
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
        let causes: Vec<_> = causes(&error).map(ToString::to_string).collect();
        SourceError::Unreachable {
            address: self.address(),
            query: query.to_owned(),
            cause: causes.join(": "),
            hint: hint(&error),
        }
    }

    /// A server's own words without our secrets: some quote the request.
    pub(crate) fn redacted(&self, words: &str) -> String {
        let token = self.config.bearer_token_file.as_ref();
        let token = token.and_then(|path| std::fs::read_to_string(path).ok());
        let values = self.config.headers.values().chain(&token);
        // Without a scheme: `Bearer` alone is no secret.
        let secrets = values.filter_map(|value| value.split_whitespace().last());
        secrets
            .filter(|secret| secret.len() >= SHORTEST_SECRET)
            .fold(words.to_owned(), |words, secret| {
                words.replace(secret, "***")
            })
    }

    fn client(&self) -> Result<&Client, SourceError> {
        if let Some(client) = self.built.get() {
            return Ok(client);
        }
        let client = build(&self.config, Resolver::system(self.config.timeout))?;
        Ok(self.built.get_or_init(|| client))
    }
}

/// An error and what caused it.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |&error| error.source())
}

fn hint(error: &reqwest::Error) -> &'static str {
    causes(error)
        .find_map(tls::hint)
        .unwrap_or("check the address and that the server is up")
}

/// Redirects are not followed: a token must not travel to another host.
fn build(config: &PrometheusConfig, resolver: Resolver) -> Result<Client, SourceError> {
    Client::builder()
        .tls_backend_preconfigured(tls::configuration(config)?)
        .dns_resolver(resolver)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(90))
        .user_agent(concat!("temper/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| SourceError::Config(format!("cannot build the HTTP client: {e}")))
}

fn bearer(path: &Path) -> Result<HeaderValue, SourceError> {
    let token = read("bearerTokenFile", path)?;
    let value = [b"Bearer ", token.trim_ascii()].concat();
    HeaderValue::try_from(value).map_err(|unprintable| SourceError::File {
        key: "bearerTokenFile",
        cause: format!("it should hold a token in one line: {unprintable}"),
    })
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, SourceError> {
    std::fs::read(path).map_err(|e| SourceError::File {
        key,
        cause: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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

    /// What comes of asking with a file of this content.
    async fn with_file(content: &str, set: fn(&mut PrometheusConfig, PathBuf)) -> SourceError {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, content).unwrap();
        let mut config = PrometheusConfig::at("http://127.0.0.1:1");
        set(&mut config, path);
        let url = Url::parse(&config.address).unwrap();
        Http::new(config).get(url, "up").await.err().unwrap()
    }

    #[tokio::test]
    async fn files_that_hold_something_else_are_named_by_their_key_and_not_quoted() {
        let token = |config: &mut PrometheusConfig, path| config.bearer_token_file = Some(path);
        let ca = |config: &mut PrometheusConfig, path| config.ca = Some(path);
        let key = |config: &mut PrometheusConfig, path: PathBuf| {
            config.client_identity = Some((path.clone(), path));
        };
        for (content, set, said) in [
            ("hush\nhush", token as fn(&mut _, _), "a token in one line"),
            ("hush", ca, "`source.prometheus.ca`"),
            ("", ca, "a PEM certificate, but none is there"),
            ("hush", key, "a PEM private key, but none is there"),
            (
                "-----BEGIN PRIVATE KEY-----\nhush",
                key,
                "its end is missing",
            ),
            (
                "-----BEGIN PRIVATE KEY----- hush",
                key,
                "are the line breaks lost?",
            ),
        ] {
            let error = with_file(content, set).await;
            assert!(matches!(error, SourceError::File { .. }), "{error}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(said) && !shown.contains("hush"), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_secret_in_the_place_of_a_path_is_not_shown() {
        let set = |config: &mut PrometheusConfig, _| config.bearer_token_file = Some("hush".into());
        let error = with_file("", set).await;
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("bearerTokenFile") && !shown.contains("hush"),
            "{shown}"
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
