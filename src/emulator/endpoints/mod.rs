//! The endpoints below a tenant, and who calls them: client authentication and dispatch.

mod authorize;
mod client;
mod client_credentials;
mod code;
mod login;
mod logout;
mod password;
mod refresh;
mod revoke;
mod token;
mod userinfo;
mod well_known;

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::arrival::Arrival;
use super::calls::EndpointName;
use super::tenant::TenantState;

/// Does the endpoint's work.
pub(super) async fn work(tenant: &Arc<TenantState>, endpoint: EndpointName, arrival: &Arrival) -> Answer {
    if !allowed(endpoint, &arrival.method) {
        return Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed").into();
    }
    let rate = match tenant.take_endpoint(endpoint) {
        Ok(rate) => rate,
        Err(rate) => return Answer::from(Refusal::too_many_requests()).with_rate(rate),
    };
    let worked = match endpoint {
        EndpointName::Authorize => authorize::answer(tenant, arrival),
        EndpointName::Login => login::answer(tenant, arrival),
        EndpointName::Token => token::answer(tenant, arrival).await,
        // Its limit is a user's, so that its headers are its own.
        EndpointName::Userinfo => return userinfo::answer(tenant, arrival).await.unwrap_or_else(Answer::from),
        EndpointName::Revoke => revoke::answer(tenant, arrival),
        EndpointName::Jwks => well_known::jwks(tenant).await,
        EndpointName::Discovery => Ok(well_known::discovery(tenant)),
        EndpointName::Logout => logout::answer(tenant, arrival),
        EndpointName::OidcLogout => logout::oidc(tenant, arrival),
        EndpointName::Unknown => Ok(not_found()),
    };
    worked.unwrap_or_else(Answer::from).with_rate(rate)
}

/// What a path that is no endpoint answers.
pub(super) fn not_found() -> Answer {
    let body = json!({"statusCode": 404, "error": "Not Found", "message": "Not Found"});
    Answer::json(StatusCode::NOT_FOUND, &body)
}

fn allowed(endpoint: EndpointName, method: &Method) -> bool {
    match endpoint {
        EndpointName::Token | EndpointName::Revoke => method == Method::POST,
        EndpointName::Userinfo | EndpointName::Login | EndpointName::OidcLogout => {
            method == Method::GET || method == Method::POST
        }
        EndpointName::Authorize | EndpointName::Jwks | EndpointName::Discovery | EndpointName::Logout => {
            method == Method::GET
        }
        EndpointName::Unknown => true,
    }
}
