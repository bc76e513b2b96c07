//! Servers that prove who they are, and want clients to.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use temper_sources::{Prometheus, PrometheusConfig, SourceError};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::server::{Server, ask, exchange, linger, nothing, refused};

/// An authority, which signs for 127.0.0.1 and puts its files into a folder.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            dir,
        }
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        Arc::new(roots)
    }

    fn signed(&self) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// The files of a client's certificate and key.
    fn identity(&self) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.signed();
        let paths = ["client.pem", "client.key"].map(|name| self.dir.path().join(name));
        std::fs::write(&paths[0], certificate.pem()).unwrap();
        std::fs::write(&paths[1], key.serialize_pem()).unwrap();
        paths.into()
    }

    /// A server of this authority that knows no series.
    async fn server(&self, clients: Arc<dyn ClientCertVerifier>) -> Server {
        let (certificate, key) = self.signed();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Server::listening("https", async move |listener| {
            while let Ok((stream, _)) = listener.accept().await {
                match acceptor.accept(stream).into_fallible().await {
                    Ok(stream) => exchange(stream, nothing).await,
                    Err((_, stream)) => linger(stream).await,
                }
            }
        })
        .await
    }

    /// One that only lets in who has a certificate of this authority.
    async fn closed_server(&self) -> Server {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider());
        self.server(verifier.build().unwrap()).await
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn trusting(authority: &Authority, server: &Server) -> PrometheusConfig {
    let mut config = PrometheusConfig::at(&server.address);
    config.ca = Some(authority.ca());
    config
}

fn assert_unreachable(error: &SourceError, hint: &str) {
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.is_transient());
    assert!(error.to_string().contains(hint), "{error}");
}

#[tokio::test]
async fn a_server_of_the_configured_authority_is_trusted() {
    let authority = Authority::new("ours");
    let server = authority.server(Arc::new(NoClientAuth)).await;
    let config = trusting(&authority, &server);
    let window = ask(&Prometheus::new(config).unwrap()).await.unwrap();
    assert!(window.content.is_err(), "{window:?}");
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let [authority, another] = ["ours", "another"].map(Authority::new);
    let server = another.server(Arc::new(NoClientAuth)).await;
    let error = refused(trusting(&authority, &server)).await;
    assert_unreachable(&error, "check `ca`");
    assert_unreachable(&error, "UnknownIssuer");
}

#[tokio::test]
async fn a_server_under_another_name_is_not_trusted() {
    let authority = Authority::new("ours");
    let server = authority.server(Arc::new(NoClientAuth)).await;
    let mut config = trusting(&authority, &server);
    config.address = config.address.replace("127.0.0.1", "localhost");
    assert_unreachable(&refused(config).await, "not valid for name \"localhost\"");
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let authority = Authority::new("ours");
    let server = authority.closed_server().await;
    let mut config = trusting(&authority, &server);
    config.client_identity = Some(authority.identity());
    let window = ask(&Prometheus::new(config).unwrap()).await.unwrap();
    assert!(window.content.is_err(), "{window:?}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_told_which_keys_name_one() {
    let authority = Authority::new("ours");
    let server = authority.closed_server().await;
    let error = refused(trusting(&authority, &server)).await;
    assert_unreachable(&error, "check `clientCertificate`");
}
