//! TLS towards Auth0: the system's certificate authorities, and those of `--ca-file`.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// `--ca-file` cannot be read as PEM.
    #[error("the --ca-file cannot be read as PEM")]
    CaFile(#[source] rustls_pki_types::pem::Error),
    /// No authorities at all: a container without a CA bundle.
    #[error("no certificate authorities: install the system's CA bundle or give --ca-file")]
    Roots(#[source] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// TLS 1.2 and 1.3 with the one provider of the tree, named so that a second cannot get in the way.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let extra: Vec<CertificateDer<'static>> = match ca_file {
        Some(path) => CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(TlsError::CaFile)?,
        None => Vec::new(),
    };
    let verifier = Verifier::new_with_extra_roots(extra, provider()).map_err(TlsError::Roots)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Roots)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// For a client that never speaks TLS: trusts nobody.
pub(super) fn without_roots() -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    builder
        .expect("aws-lc-rs supports rustls' default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
