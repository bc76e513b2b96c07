//! TLS: whom to trust, who we are, and what to do when either is refused.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::read;
use crate::{PrometheusConfig, SourceError};

/// What a configuration says of certificates. Its files are read now.
pub(super) fn configuration(config: &PrometheusConfig) -> Result<ClientConfig, SourceError> {
    let unusable = |e: rustls::Error| SourceError::Config(format!("cannot set up TLS: {e}"));
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots(config)?);
    match &config.client_identity {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(&read("clientKey", key)?)
                .map_err(|e| not_pem("clientKey", "private key", &e))?;
            builder
                .with_client_auth_cert(certificates("clientCertificate", chain)?, key)
                .map_err(unusable)
        }
    }
}

/// The configured bundle, or the system's; none for plain http, which must work where no bundle exists.
fn roots(config: &PrometheusConfig) -> Result<RootCertStore, SourceError> {
    let mut store = RootCertStore::empty();
    match &config.ca {
        Some(path) => {
            store.add_parsable_certificates(certificates("ca", path)?);
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
    key: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let pem = read(key, path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| not_pem(key, "certificate", &e))?;
    if found.is_empty() {
        return Err(not_pem(key, "certificate", &pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// Some of the parser's errors quote the file, which may be a key without its line breaks.
fn not_pem(key: &'static str, what: &str, error: &pem::Error) -> SourceError {
    let why = match error {
        pem::Error::NoItemsFound => "none is there",
        pem::Error::MissingSectionEnd { .. } => "its end is missing",
        pem::Error::Base64Decode(_) => "it is no base64",
        _ => "its first line is wrong; are the line breaks lost?",
    };
    SourceError::File {
        key,
        cause: format!("it should hold a PEM {what}, but {why}"),
    }
}

/// What to do about an error, if it is one of TLS.
pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(_) => {
            Some("check `ca`, and that the certificate is for the name in `address`")
        }
        rustls::Error::AlertReceived(_) => Some("check `clientCertificate` and `clientKey`"),
        _ => None,
    }
}

/// The TLS error that errors of input or output wrap, which do not call it their cause.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(wrapper) => tls_error(wrapper.get_ref()?),
        None => error.downcast_ref(),
    }
}
