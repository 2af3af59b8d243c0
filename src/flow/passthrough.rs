//! Auth0's further endpoints, for clients whose files list them: a table of what each may carry, and the same rules
//! for scope, audience, redirect and connection as everywhere else.

mod table;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::login::authorize::{self, AuthorizeError};
use super::policy::{self, PolicyError};
use super::{Call, Services};
use crate::auth0::error::UpstreamError;
use crate::auth0::relay::{RelayAnswer, RelayCall, Shows};
use crate::auth0::token::Payload;
use crate::base::secret::Secret;
use crate::oauth::authorize::{AuthorizationRequest, AuthorizationRequestError};
use crate::oauth::parameters::Parameters;
use crate::oauth::scope::Scopes;
use crate::tenant::model::Client;
use table::{Encoding, Kind, Row};

pub use table::Operation;

/// A pushed request is no larger (auth0-facts 1.11), and nothing else is.
const LARGEST: usize = 10 * 1024;

/// Members of a `user_metadata`, and the most characters of a name and a value (auth0-facts 1.12).
const METADATA: (usize, usize, usize) = (10, 100, 500);

/// What a link in a mail may ask of `/authorize`.
const AUTH_PARAMS: [&str; 6] = ["scope", "audience", "redirect_uri", "state", "nonce", "response_type"];

/// Longer than any `mfa_token` seen (auth0-facts 1.4).
const LONGEST_BEARER: usize = 4_096;

/// Why nothing was passed on.
#[derive(Debug, thiserror::Error)]
pub enum PassthroughError {
    /// The client's `passthrough` does not list it.
    #[error("the client may not use this endpoint")]
    NotListed,
    /// The client demands that its callers authenticate, and this one did not.
    #[error("the caller did not authenticate")]
    CallerRejected,
    /// Something that the endpoint needs is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Not of the kind that it must be, too long, or not allowed here.
    #[error("{0} is malformed or not allowed")]
    Member(&'static str),
    /// More than 10 KB.
    #[error("the request is too large")]
    TooLarge,
    /// The client's file does not allow it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Not an authorization request.
    #[error("the pushed request is malformed")]
    Request(#[source] AuthorizationRequestError),
    /// Not one of this client.
    #[error("the pushed request is not allowed")]
    Authorize(#[source] AuthorizeError),
    /// Auth0 gave no answer.
    #[error("Auth0 gave no answer")]
    Upstream(#[source] UpstreamError),
    /// The task ended without an answer.
    #[error("the request was torn apart")]
    Aborted,
}

/// What a caller wants passed on. Passwords and tokens stand in it: it shows its operation alone.
pub struct Wanted {
    /// To where.
    pub operation: Operation,
    /// The members of the body, without the caller's own credentials.
    pub members: Map<String, Value>,
    /// The caller's secret, where `callers` demands one. It never goes to Auth0.
    pub caller_secret: Option<Secret>,
    /// The `mfa_token` of an `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// The last segment of `/mfa/authenticators/ID`, percent-encoded.
    pub authenticator: Option<String>,
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wanted({:?}, [redacted])", self.operation)
    }
}

/// Whether the client's file lists the endpoint. Asked before the body is read: who may not use it learns nothing of
/// what it takes.
pub fn admit(client: &Client, operation: Operation) -> Result<(), PassthroughError> {
    let is_listed = client.passthrough.contains(&table::row(operation).member);
    if is_listed { Ok(()) } else { Err(PassthroughError::NotListed) }
}

/// Passes a request on, to its end also when the caller hangs up.
pub async fn run(services: &Arc<Services>, call: &Call, wanted: Wanted) -> Result<RelayAnswer, PassthroughError> {
    admit(&call.client, wanted.operation)?;
    let row = table::row(wanted.operation);
    if row.shows != Shows::Nothing {
        policy::caller(&call.client, wanted.caller_secret.as_ref()).map_err(|()| PassthroughError::CallerRejected)?;
    }
    let bearer = bearer(row, wanted.bearer)?;
    let path = match &wanted.authenticator {
        Some(id) => format!("{}{}", row.path, authenticator(id)?).into(),
        None => row.path.into(),
    };
    let members = members(call, row, wanted.members)?;
    let (services, call) = (Arc::clone(services), call.clone());
    let tasks = services.tasks.clone();
    let work = async move {
        let form: Vec<(&str, Cow<'_, str>)> =
            members.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?.into()))).collect();
        let relayed = services.auth0.relay(RelayCall {
            tenant: &call.tenant,
            client: &call.client,
            api: row.api,
            method: row.method.clone(),
            path,
            payload: match row.encoding {
                Encoding::Form => Payload::Form(&form),
                Encoding::Json => Payload::Json(&members),
            },
            shows: row.shows,
            bearer: bearer.as_ref(),
            forwarded_for: call.address.filter(|_| row.operation == Operation::PasswordlessStart),
        });
        call.upstream.measure(&*services.clock, relayed).await.map_err(PassthroughError::Upstream)
    };
    tasks.spawn(work).await.unwrap_or(Err(PassthroughError::Aborted))
}

fn bearer(row: &Row, bearer: Option<Secret>) -> Result<Option<Secret>, PassthroughError> {
    match bearer {
        Some(bearer) if row.takes_bearer() && bearer.expose().len() <= LONGEST_BEARER => Ok(Some(bearer)),
        _ if row.takes_bearer() => Err(PassthroughError::Missing("Authorization: Bearer with the mfa_token")),
        _ => Ok(None),
    }
}

/// An authenticator's id, such as `totp|dev_…`: checked, and encoded anew.
fn authenticator(segment: &str) -> Result<String, PassthroughError> {
    let malformed = PassthroughError::Member("the authenticator's id");
    let Ok(id) = percent_encoding::percent_decode_str(segment).decode_utf8() else { return Err(malformed) };
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'|' | b'_' | b'-');
    if id.is_empty() || id.len() > 128 || !id.bytes().all(is_id) {
        return Err(malformed);
    }
    Ok(id.replace('|', "%7C"))
}

/// The members that the row has, each of its kind, held against the client's file.
fn members(call: &Call, row: &Row, given: Map<String, Value>) -> Result<Map<String, Value>, PassthroughError> {
    if Value::Object(given.clone()).to_string().len() > LARGEST {
        return Err(PassthroughError::TooLarge);
    }
    if row.operation == Operation::Par {
        return pushed(call, &given);
    }
    let mut members = pick(row, &given)?;
    rules(call, row, &mut members)?;
    Ok(members)
}

/// The row's members, each of its kind. What the row does not have stays behind.
fn pick(row: &Row, given: &Map<String, Value>) -> Result<Map<String, Value>, PassthroughError> {
    let mut members = Map::new();
    for (name, kind) in row.members {
        if let Some(value) = given.get(*name).filter(|value| !value.is_null() && **value != "") {
            check(*kind, value).ok_or(PassthroughError::Member(name))?;
            members.insert((*name).to_owned(), value.clone());
        }
    }
    if let Some(missing) = row.required.iter().find(|name| !members.contains_key(**name)) {
        return Err(PassthroughError::Missing(missing));
    }
    Ok(members)
}

fn check(kind: Kind, value: &Value) -> Option<()> {
    let (most, longest_name, longest_value) = METADATA;
    let fits = match kind {
        Kind::Text => value.is_string(),
        Kind::Texts => value.as_array().is_some_and(|list| list.len() <= most && list.iter().all(Value::is_string)),
        Kind::Metadata => value.as_object().is_some_and(|members| {
            let fits = |(name, value): (&String, &Value)| {
                name.len() <= longest_name && value.as_str().is_some_and(|value| value.len() <= longest_value)
            };
            members.len() <= most && members.iter().all(fits)
        }),
        Kind::AuthParams => value.as_object().is_some_and(|members| members.values().all(Value::is_string)),
    };
    fits.then_some(())
}

/// Scope, audience, connection and organization, as everywhere else.
fn rules(call: &Call, row: &Row, members: &mut Map<String, Value>) -> Result<(), PassthroughError> {
    match row.operation {
        Operation::DeviceCode => asked(call, members),
        Operation::PasswordlessStart => {
            connection(call, members)?;
            auth_params(call, members)
        }
        Operation::Signup | Operation::ChangePassword => {
            connection(call, members)?;
            let organization = members.get("organization").and_then(Value::as_str);
            Ok(policy::organization(&call.client, organization)?)
        }
        Operation::Revoke
        | Operation::Par
        | Operation::MfaAssociate
        | Operation::MfaChallenge
        | Operation::MfaAuthenticators
        | Operation::MfaAuthenticator => Ok(()),
    }
}

/// Scope and audience: within the client's, and all of them where none is named.
fn asked(call: &Call, members: &mut Map<String, Value>) -> Result<(), PassthroughError> {
    let scope = members.get("scope").and_then(Value::as_str).map(Scopes::parse).transpose();
    let scope = policy::scope(&call.client, scope.map_err(|_| PassthroughError::Member("scope"))?)?;
    let audience = members.get("audience").and_then(Value::as_str);
    let audience = policy::audience(&call.client, audience)?.or(call.client.default_audience()).map(str::to_owned);
    members.insert("scope".to_owned(), scope.to_string().into());
    members.extend(audience.map(|audience| ("audience".to_owned(), audience.into())));
    Ok(())
}

/// The connection by the contract's rule; these endpoints need one.
fn connection(call: &Call, members: &mut Map<String, Value>) -> Result<(), PassthroughError> {
    let asked = members.get("connection").and_then(Value::as_str);
    let chosen = policy::connection(call, asked)?.ok_or(PassthroughError::Missing("connection"))?;
    members.insert("connection".to_owned(), chosen.as_str().into());
    Ok(())
}

/// What a link in a mail will ask of `/authorize`: by the same rules as there.
fn auth_params(call: &Call, members: &mut Map<String, Value>) -> Result<(), PassthroughError> {
    let Some(Value::Object(parameters)) = members.get_mut("authParams") else { return Ok(()) };
    let is_listed = |uri: &str| authorize::is_listed(&call.client.app_redirect_urls, call, uri);
    let text = |name: &str| parameters.get(name).and_then(Value::as_str);
    let is_sound = parameters.keys().all(|name| AUTH_PARAMS.contains(&name.as_str()))
        && text("redirect_uri").is_none_or(is_listed)
        && text("response_type").is_none_or(|it| it == "code");
    if !is_sound {
        return Err(PassthroughError::Member("authParams"));
    }
    asked(call, parameters)
}

/// A pushed authorization request, built anew.
fn pushed(call: &Call, given: &Map<String, Value>) -> Result<Map<String, Value>, PassthroughError> {
    let text = Value::Object(given.clone()).to_string();
    let mut parameters =
        Parameters::from_json(text.as_bytes()).map_err(|_| PassthroughError::Member("the pushed request"))?;
    let request = AuthorizationRequest::parse(&mut parameters).map_err(PassthroughError::Request)?;
    let extra = call.client.extra_params.iter();
    let extra = extra.filter_map(|name| parameters.take(name).map(|value| (&**name, value))).collect();
    let built = authorize::push(call, request, extra).map_err(PassthroughError::Authorize)?;
    // The client's authentication names it.
    let built = built.into_iter().filter(|(name, _)| *name != "client_id");
    Ok(built.map(|(name, value)| (name.to_owned(), Value::String(value))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const OPERATIONS: [Operation; 10] = [
        Operation::Revoke,
        Operation::DeviceCode,
        Operation::Par,
        Operation::PasswordlessStart,
        Operation::Signup,
        Operation::ChangePassword,
        Operation::MfaAssociate,
        Operation::MfaChallenge,
        Operation::MfaAuthenticators,
        Operation::MfaAuthenticator,
    ];

    /// A member of any kind, as a stranger may send it.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 16, 12, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
                proptest::collection::btree_map("[a-z_]{1,8}", inner, 0..12).prop_map(|it| json!(it)),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_but_the_rows_members_gets_through_each_of_its_kind(
            values in proptest::collection::vec(value(), 24),
            strange in proptest::collection::btree_map("client_secret|client_assertion|client_id|request_uri|[a-z_]{1,9}", value(), 0..6),
        ) {
            for operation in OPERATIONS {
                let row = table::row(operation);
                let mut given: Map<String, Value> = strange.clone().into_iter().collect();
                given.extend(row.members.iter().zip(&values).map(|((name, _), value)| ((*name).to_owned(), value.clone())));
                let Ok(members) = pick(row, &given) else { continue };
                for (name, value) in &members {
                    let kind = row.members.iter().find(|(have, _)| have == name).map(|(_, kind)| *kind);
                    prop_assert!(kind.is_some_and(|kind| check(kind, value).is_some()), "{operation:?} {name}");
                }
                prop_assert!(row.required.iter().all(|name| members.contains_key(*name)));
            }
        }

        #[test]
        fn an_authenticators_id_is_one_segment_of_the_path_or_none(segment in "(%[0-9a-fA-F]{2}|[ -~]){0,20}") {
            if let Ok(encoded) = authenticator(&segment) {
                let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'_' | b'-');
                prop_assert!(!encoded.is_empty() && encoded.bytes().all(is_sound), "{encoded}");
            }
        }
    }
}
