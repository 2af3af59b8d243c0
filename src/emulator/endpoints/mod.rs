//! The endpoints below a tenant, and who calls them: client authentication and dispatch.

mod authorize;
mod client;
mod client_credentials;
mod code;
mod dbconnections;
mod device;
mod login;
mod logout;
mod mfa;
mod par;
mod password;
mod passwordless;
mod refresh;
mod revoke;
mod token;
mod token_exchange;
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
    if let Some(fault) = arrival.form.fault().filter(|_| arrival.method == Method::POST) {
        return Answer::from(Refusal::invalid_request(fault)).with_rate(rate);
    }
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
        EndpointName::DeviceCode => device::begin(tenant, arrival),
        EndpointName::Activate => device::activate(tenant, arrival),
        EndpointName::Par => par::answer(tenant, arrival),
        EndpointName::PasswordlessStart => passwordless::start(tenant, arrival),
        EndpointName::Signup => dbconnections::signup(tenant, arrival),
        EndpointName::ChangePassword => dbconnections::change_password(tenant, arrival),
        EndpointName::MfaAssociate => mfa::associate(tenant, arrival),
        EndpointName::MfaChallenge => mfa::challenge(tenant, arrival),
        EndpointName::MfaAuthenticators => mfa::authenticators(tenant, arrival),
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
        EndpointName::Token
        | EndpointName::Revoke
        | EndpointName::DeviceCode
        | EndpointName::Par
        | EndpointName::PasswordlessStart
        | EndpointName::Signup
        | EndpointName::ChangePassword
        | EndpointName::MfaAssociate
        | EndpointName::MfaChallenge => method == Method::POST,
        EndpointName::Userinfo | EndpointName::Login | EndpointName::OidcLogout | EndpointName::Activate => {
            method == Method::GET || method == Method::POST
        }
        EndpointName::MfaAuthenticators => method == Method::GET || method == Method::DELETE,
        EndpointName::Authorize | EndpointName::Jwks | EndpointName::Discovery | EndpointName::Logout => {
            method == Method::GET
        }
        EndpointName::Unknown => true,
    }
}
