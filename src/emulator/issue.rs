//! A login's answer: its tokens, and a refresh token where one was asked for.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::keys::KeyRing;
use super::refresh_tokens::RefreshGrant;
use super::tenant::TenantState;
use super::tokens::{Audience, Grant, GrantMoment, random_text, user_tokens};
use super::world::{WorldClient, WorldUser};
use crate::oauth::grant::GrantType;
use crate::oauth::scope::Scopes;

/// A user who logged in, and what was granted.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) user: Arc<WorldUser>,
    pub(super) scope: Scopes,
    pub(super) audience: Audience,
    pub(super) organization: Option<String>,
    pub(super) nonce: Option<String>,
    /// The browser's session that it happened in; without one it gets a session of its own.
    pub(super) sid: Option<String>,
    pub(super) at: GrantMoment,
}

/// The members of the answer.
pub(super) fn issue(tenant: &TenantState, ring: &KeyRing, client: &WorldClient, login: &Login) -> Map<String, Value> {
    let sid = login.sid.clone().unwrap_or_else(|| random_text(&*tenant.random, 24));
    let grant = Grant {
        client_id: &client.id,
        user: &login.user,
        scope: &login.scope,
        audience: &login.audience,
        organization: login.organization.as_deref(),
        nonce: login.nonce.as_deref(),
        sid: Some(&sid),
        at: login.at,
    };
    let mut members = user_tokens(tenant, ring, &grant);
    tenant.sessions.issued(&sid, &login.user.subject, &client.id);
    if login.scope.contains("offline_access") && client.grants.contains(&GrantType::RefreshToken) {
        let most = tenant.settings().refresh_tokens_per_user;
        let grant = RefreshGrant {
            client_id: client.id.clone(),
            subject: login.user.subject.clone(),
            scope: login.scope.clone(),
            audience: match &login.audience {
                Audience::Api(api) => Some(api.clone()),
                Audience::Userinfo => None,
            },
            organization: login.organization.clone(),
        };
        let token = tenant.refresh_tokens.issue(grant, tenant.clock.now(), most);
        members.insert("refresh_token".to_owned(), json!(token));
    }
    members
}
