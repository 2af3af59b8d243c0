//! A refresh's answer as other callers see it, in this process and in others with the same store.

use serde::{Deserialize, Serialize};

use super::{Redeemed, RefreshError};
use crate::auth0::token::{Granted, Refusal};
use crate::base::digest::Digest;
use crate::base::secret::Secret;

/// An answer as other replicas see it. The store seals what it keeps.
#[derive(Serialize, Deserialize)]
pub(super) struct SharedAnswer {
    /// Over scope and audience.
    pub(super) asked: String,
    answer: SharedResult,
}

#[derive(Serialize, Deserialize)]
enum SharedResult {
    Granted(SharedGrant),
    Refused(SharedRefusal),
}

#[derive(Serialize, Deserialize)]
struct SharedGrant {
    access_token: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
    scope: Option<Box<str>>,
    expires_in: u64,
}

#[derive(Serialize, Deserialize)]
struct SharedRefusal {
    status: u16,
    error: Box<str>,
    body: Vec<u8>,
    retry_after: Option<u64>,
}

impl SharedAnswer {
    /// Answers of Auth0 are shared; that none came is not an answer.
    pub(super) fn of(asked: Digest, result: &Result<Redeemed, RefreshError>) -> Option<Self> {
        let answer = match result {
            Ok(Redeemed { granted, .. }) => SharedResult::Granted(SharedGrant {
                access_token: granted.access_token.expose().to_owned(),
                id_token: granted.id_token.as_ref().map(|token| token.expose().to_owned()),
                refresh_token: granted.refresh_token.as_ref().map(|token| token.expose().to_owned()),
                scope: granted.scope.clone(),
                expires_in: granted.expires_in,
            }),
            // A rate limit is over in a moment: the next caller asks again.
            Err(RefreshError::Refused(refusal)) if refusal.is_final() => SharedResult::Refused(SharedRefusal {
                status: refusal.status,
                error: refusal.error.clone(),
                body: refusal.body.to_vec(),
                retry_after: refusal.retry_after,
            }),
            Err(_) => return None,
        };
        Some(Self { asked: asked.to_string(), answer })
    }

    pub(super) fn into_result(self) -> Result<Redeemed, RefreshError> {
        match self.answer {
            SharedResult::Granted(grant) => Ok(Redeemed {
                granted: Granted {
                    recovery_code: None,
                    issued_token_type: None,
                    access_token: Secret::new(grant.access_token),
                    id_token: grant.id_token.map(Secret::new),
                    refresh_token: grant.refresh_token.map(Secret::new),
                    scope: grant.scope,
                    expires_in: grant.expires_in,
                },
                shared: true,
            }),
            SharedResult::Refused(refusal) => Err(RefreshError::Refused(Refusal {
                status: refusal.status,
                error: refusal.error,
                body: refusal.body.into(),
                retry_after: refusal.retry_after,
            })),
        }
    }
}
