//! One certificate with its key: loaded, checked, and what it covers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::CertificateFiles;
use crate::base::digest::Digest;

/// Why a pair of files is of no use. Names files and never what stands in them.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not there, or not readable.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// No certificate in it.
    #[error("{} holds no certificate: it must be PEM, the server's certificate first", .path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// No key in it.
    #[error("{} holds no private key: it must be PEM (PKCS#8, PKCS#1 or SEC1), without a passphrase", .path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// The two do not belong together, or the kind of key is not supported.
    #[error(
        "{} and {} are no pair: give the key that the certificate was requested with (RSA, ECDSA P-256/384/521 or \
         Ed25519), the server's certificate first in its file",
        .certificates.display(), .key.display()
    )]
    NoPair {
        /// Which certificate.
        certificates: PathBuf,
        /// Which key.
        key: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// The certificate names no host, so that no browser takes it.
    #[error("{} names no host in its subjectAltName: give one that does, the server's certificate first", .path.display())]
    NoNames {
        /// Which.
        path: PathBuf,
    },
}

/// The hosts that a certificate covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateNames(Vec<Box<str>>);

impl CertificateNames {
    /// Whether the name itself stands in the certificate.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|have| have.eq_ignore_ascii_case(name))
    }

    /// Whether the certificate is good for the host; a wildcard covers one label (RFC 9525 §6.3).
    pub fn covers(&self, name: &str) -> bool {
        let wider = name.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, rest)| rest);
        let is_wildcard = |have: &str| {
            have.strip_prefix("*.").is_some_and(|rest| wider.is_some_and(|it| rest.eq_ignore_ascii_case(it)))
        };
        self.has(name) || self.0.iter().any(|have| is_wildcard(have))
    }
}

/// A certificate that serves.
#[derive(Debug)]
pub(super) struct Chain {
    config: Arc<ServerConfig>,
    names: Arc<CertificateNames>,
    not_after: i64,
    /// Over both files.
    digest: Digest,
}

impl Chain {
    pub(super) fn load(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let CertificateFiles { certificates, key } = files;
        let (pem, key_pem) = (read(certificates)?, read(key)?);
        let digest = Digest::of_parts([pem.as_slice(), key_pem.as_slice()]);
        let no_certificate = || CertificateError::NoCertificate { path: certificates.clone() };
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| no_certificate())?;
        let (names, not_after) =
            read_certificate(chain.first().ok_or_else(no_certificate)?).ok_or_else(no_certificate)?;
        if names.is_empty() {
            return Err(CertificateError::NoNames { path: certificates.clone() });
        }
        let private =
            PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| CertificateError::NoKey { path: key.clone() })?;
        let config = config(chain, private).map_err(|source| CertificateError::NoPair {
            certificates: certificates.clone(),
            key: key.clone(),
            source,
        })?;
        Ok(Self { config: Arc::new(config), names: Arc::new(CertificateNames(names)), not_after, digest })
    }

    /// Whether both files are as they were.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    pub(super) fn names(&self) -> Arc<CertificateNames> {
        Arc::clone(&self.names)
    }

    /// Unix seconds.
    pub(super) fn not_after(&self) -> i64 {
        self.not_after
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let read = std::fs::read(path).map(Zeroizing::new);
    read.map_err(|source| CertificateError::Read { path: path.to_owned(), source })
}

/// The names and the end of a certificate.
fn read_certificate(der: &CertificateDer<'_>) -> Option<(Vec<Box<str>>, i64)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|extension| &extension.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).into()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    Some((names.collect(), certificate.validity().not_after.timestamp()))
}

/// As a URL's host has it: `127.0.0.1`, `[::1]`.
fn address(bytes: &[u8]) -> Option<Box<str>> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string().into());
    }
    let six = <[u8; 16]>::try_from(bytes).ok()?;
    Some(format!("[{}]", std::net::Ipv6Addr::from(six)).into())
}

/// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1. Fails where the key is not the certificate's.
fn config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label() {
        let names = CertificateNames(vec!["*.acme.com".into(), "acme.com".into()]);
        assert!(names.covers("app.acme.com") && names.covers("ACME.com") && names.covers("APP.acme.COM"));
        for name in ["a.b.acme.com", "xacme.com", "*.acme.org", "com", "", ".acme.com", "."] {
            assert!(!names.covers(name), "{name}");
        }
    }
}
