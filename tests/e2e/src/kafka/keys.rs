//! The certificate by which clients know the brokers, and who signed it.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The files that brokers and clients need.
#[derive(Debug)]
pub(super) struct Keys {
    /// For the brokers: their key, their certificate and who signed it.
    pub(super) keystore: PathBuf,
    /// For the clients: who signed it.
    pub(super) authority: PathBuf,
}

/// Makes a certificate for `address`, signed by an authority of its own, and writes both to `folder`.
pub(super) fn make(address: Ipv4Addr, folder: &Path) -> Result<Keys> {
    let authority_key = KeyPair::generate().context("making the authority's key")?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "the brokers' authority");
    let authority = params.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(params, authority_key);

    let key = KeyPair::generate().context("making the brokers' key")?;
    let certificate = CertificateParams::new([address.to_string()])?
        .signed_by(&key, &issuer)?
        .pem();
    let keystore = [key.serialize_pem(), certificate, authority.clone()].concat();
    Ok(Keys {
        keystore: write(folder, "brokers.pem", &keystore)?,
        authority: write(folder, "ca.crt", &authority)?,
    })
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
