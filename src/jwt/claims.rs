//! The claims of a token whose signature verified.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// What a token says, parsed once. Times are whole seconds, as RFC 7519's `NumericDate` mostly is;
/// a fraction is cut off.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// The header's `typ`, lower case.
    pub typ: Option<Box<str>>,
    /// `iss`; empty where there is none.
    pub iss: Box<str>,
    /// `sub`; empty where there is none.
    pub sub: Box<str>,
    /// `aud`, one or many.
    pub aud: Vec<Box<str>>,
    /// `azp`.
    pub azp: Option<Box<str>>,
    /// `client_id` (RFC 9068).
    pub client_id: Option<Box<str>>,
    /// `exp`.
    pub exp: Option<Timestamp>,
    /// `nbf`.
    pub nbf: Option<Timestamp>,
    /// `iat`.
    pub iat: Option<Timestamp>,
    /// `auth_time`.
    pub auth_time: Option<Timestamp>,
    /// `nonce`.
    pub nonce: Option<Box<str>>,
    /// `acr`: how the user showed who they are.
    pub acr: Option<Box<str>>,
    /// Auth0's session.
    pub sid: Option<Box<str>>,
    /// Auth0's organization.
    pub org_id: Option<Box<str>>,
    /// Its name.
    pub org_name: Option<Box<str>>,
    /// Everything.
    pub object: Map<String, Value>,
}

/// A claim that is of the wrong type where the type matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the claim {0} is malformed")]
pub struct ClaimError(pub &'static str);

impl Claims {
    /// From a token's payload.
    pub(super) fn parse(object: Map<String, Value>, typ: Option<&str>) -> Result<Self, ClaimError> {
        let required = |name| text(&object, name).map(Option::unwrap_or_default);
        Ok(Self {
            typ: typ.map(|typ| typ.to_ascii_lowercase().into()),
            iss: required("iss")?,
            sub: required("sub")?,
            aud: audiences(&object)?,
            azp: text(&object, "azp")?,
            client_id: text(&object, "client_id")?,
            exp: time(&object, "exp")?,
            nbf: time(&object, "nbf")?,
            iat: time(&object, "iat")?,
            auth_time: time(&object, "auth_time")?,
            nonce: text(&object, "nonce")?,
            acr: text(&object, "acr")?,
            sid: text(&object, "sid")?,
            org_id: text(&object, "org_id")?,
            org_name: text(&object, "org_name")?,
            object,
        })
    }

    /// Whether `aud` holds it.
    pub fn has_audience(&self, audience: &str) -> bool {
        self.aud.iter().any(|have| **have == *audience)
    }
}

fn text(object: &Map<String, Value>, name: &'static str) -> Result<Option<Box<str>>, ClaimError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str().into())),
        Some(_) => Err(ClaimError(name)),
    }
}

fn audiences(object: &Map<String, Value>) -> Result<Vec<Box<str>>, ClaimError> {
    match object.get("aud") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.as_str().into()]),
        Some(Value::Array(many)) => {
            many.iter().map(|it| it.as_str().map(Into::into).ok_or(ClaimError("aud"))).collect()
        }
        Some(_) => Err(ClaimError("aud")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to lie within what jiff takes, which i64 holds")]
fn time(object: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, ClaimError> {
    let seconds = match object.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => {
            number.as_f64().filter(|it| it.is_finite() && it.abs() < 1e15).ok_or(ClaimError(name))?
        }
        Some(_) => return Err(ClaimError(name)),
    };
    Timestamp::from_second(seconds as i64).map(Some).map_err(|_| ClaimError(name))
}
