//! `GET|POST /userinfo`, with its limit for each user (auth0-facts 1.9).

use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::tenant::TenantState;
use super::super::tokens::read_bearer;
use super::super::users::{action_claims, profile_claims};

/// The claims of the token's user that its scopes open.
pub(super) async fn answer(tenant: &Arc<TenantState>, arrival: &Arrival) -> Result<Answer, Refusal> {
    let token = arrival.header("authorization").and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let ring = tenant.ring().await?;
    let bearer = token.and_then(|token| read_bearer(tenant, Some(&ring), token));
    let Some(bearer) = bearer else { return Ok(refused()) };
    let Some(user) = tenant.settings().users.by_subject(&bearer.subject) else { return Ok(refused()) };
    let rate = tenant.take_userinfo(&bearer.subject);
    if let Some(Err(rate)) = rate {
        return Ok(Answer::from(Refusal::too_many_requests()).with_rate(rate));
    }
    let mut claims = profile_claims(&user, &bearer.scope);
    claims.insert("sub".to_owned(), json!(user.subject));
    claims.extend(action_claims(&user, &tenant.settings().claims));
    let answer = Answer::json(StatusCode::OK, &Value::Object(claims));
    Ok(match rate {
        Some(Ok(rate)) => answer.with_rate(rate),
        _ => answer,
    })
}

fn refused() -> Answer {
    Answer::from(Refusal::invalid_credentials())
        .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Users\""))
}
