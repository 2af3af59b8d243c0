//! Why a call to Auth0 gave no answer that counts, who is to blame, and whether it may be repeated.

use crate::auth0::address::AddressRefused;

/// Something boxed that came from below.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// No answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It did not end in time.
    #[error("Auth0 did not answer in time")]
    Timeout,
    /// No connection: refused, unreachable, no such name.
    #[error("Auth0 cannot be reached")]
    Connect(#[source] Cause),
    /// The name leads to an address that tenants may not have.
    #[error("the tenant's address is not allowed")]
    Address(#[source] AddressRefused),
    /// The certificate does not verify, or there is no common protocol.
    #[error("no TLS connection to Auth0")]
    Tls(#[source] Cause),
    /// The connection broke after the request was sent.
    #[error("Auth0's answer was cut off")]
    Cut(#[source] Cause),
    /// Over 1 MiB.
    #[error("Auth0's answer is too large")]
    TooLarge,
    /// A 5xx.
    #[error("Auth0 answered {status}")]
    Server {
        /// Which.
        status: u16,
    },
    /// A success that says nothing of what it should.
    #[error("Auth0's answer makes no sense")]
    Malformed,
    /// Auth0 does not take the gateway's credentials for this client.
    #[error("Auth0 rejects the client's credentials")]
    ClientCredentials,
    /// The client's private key cannot sign.
    #[error("the client's private key cannot be used")]
    PrivateKey,
    /// No system certificate authorities, or a broken `--ca-file`.
    #[error("TLS cannot be set up")]
    TlsSetup(#[source] Cause),
}

/// Whose matter it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Configuration: nobody but the operator can mend it.
    Operator,
    /// Auth0 took too long.
    Slow,
    /// Auth0 is not there.
    Unreachable,
    /// Auth0 failed.
    Auth0,
}

impl UpstreamError {
    /// Who must act.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Address(_) | Self::ClientCredentials | Self::PrivateKey | Self::TlsSetup(_) => Blame::Operator,
            Self::Timeout => Blame::Slow,
            Self::Connect(_) | Self::Tls(_) => Blame::Unreachable,
            Self::Cut(_) | Self::TooLarge | Self::Server { .. } | Self::Malformed => Blame::Auth0,
        }
    }

    /// Whether Auth0 may have done what was asked. A 5xx says nothing either way.
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Timeout | Self::Cut(_) | Self::TooLarge | Self::Server { .. } | Self::Malformed => true,
            Self::Connect(_)
            | Self::Address(_)
            | Self::Tls(_)
            | Self::ClientCredentials
            | Self::PrivateKey
            | Self::TlsSetup(_) => false,
        }
    }
}
