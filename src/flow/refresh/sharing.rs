//! A refresh's answer as other callers see it, in this process and in others with the same store.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Redeemed, RefreshError};
use crate::auth0::token::{Granted, Refusal};
use crate::base::digest::Digest;
use crate::base::secret::Secret;

/// What is known of a token, as other replicas see it. The store seals what it keeps.
#[derive(Serialize, Deserialize)]
pub(super) enum Known {
    /// It is about to be presented: what comes of it is unknown until an answer stands here instead.
    Presented(Presentation),
    /// What Auth0 said.
    Answered(SharedAnswer),
}

/// When a token went to Auth0.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Presentation {
    /// The first time.
    pub(super) first: Timestamp,
    /// Whether that was repeated.
    pub(super) repeated: bool,
}

/// An answer as other replicas see it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SharedAnswer {
    /// Over scope and audience.
    pub(super) asked: String,
    /// When it came.
    pub(super) at: Timestamp,
    /// Until when any caller with the token gets it. A session's renewal gets it as long as it is kept.
    pub(super) shared_until: Timestamp,
    answer: SharedResult,
}

#[derive(Clone, Serialize, Deserialize)]
enum SharedResult {
    Granted(SharedGrant),
    Refused(SharedRefusal),
}

#[derive(Clone, Serialize, Deserialize)]
struct SharedGrant {
    access_token: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
    scope: Option<Box<str>>,
    expires_in: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct SharedRefusal {
    status: u16,
    error: Box<str>,
    body: Vec<u8>,
    retry_after: Option<u64>,
}

impl SharedAnswer {
    /// Answers of Auth0 are shared; that none came is not an answer.
    pub(super) fn of(
        asked: Digest,
        (at, shared_until): (Timestamp, Timestamp),
        result: &Result<Redeemed, RefreshError>,
    ) -> Option<Self> {
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
        Some(Self { asked: asked.to_string(), at, shared_until, answer })
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
                at: self.at,
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
