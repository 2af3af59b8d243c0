//! Reading a request's body: capped, in bounded time, form or JSON.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use serde_json::{Map, Value};

use super::request::MediaType;
use crate::oauth::parameters::{self, Parameters, ParametersError};

/// The public endpoints' cap (contract §9).
pub const PUBLIC_CAP: usize = 64 * 1024;

/// A body that trickles in is given up after this: as long as the headers may take.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Why a body is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Neither form nor JSON.
    #[error("the body is neither a form nor JSON")]
    MediaType,
    /// Over the cap.
    #[error("the body is too large")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The connection broke.
    #[error("the body did not arrive")]
    Cut,
    /// It arrived and is no set of parameters.
    #[error("the body is malformed")]
    Parameters(#[source] ParametersError),
}

/// The body's parameters. No body at all is no parameters, whatever its type.
pub async fn parameters<B>(headers: &HeaderMap, body: B) -> Result<Parameters, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if body.is_end_stream() {
        return Ok(Parameters::default());
    }
    let media_type = MediaType::of(headers);
    if media_type == MediaType::Other {
        return Err(BodyError::MediaType);
    }
    let bytes = read(body, PUBLIC_CAP).await?;
    let parsed = match media_type {
        MediaType::Json => Parameters::from_json(&bytes),
        MediaType::Form | MediaType::Other => Parameters::from_form(&bytes),
    };
    parsed.map_err(BodyError::Parameters)
}

/// The body's members, as an object whose members may be of any kind; a form's are texts.
pub async fn object<B>(headers: &HeaderMap, body: B) -> Result<Map<String, Value>, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if body.is_end_stream() {
        return Ok(Map::new());
    }
    let media_type = MediaType::of(headers);
    if media_type == MediaType::Other {
        return Err(BodyError::MediaType);
    }
    let bytes = read(body, PUBLIC_CAP).await?;
    let parsed = match media_type {
        MediaType::Json => parameters::object(&bytes),
        MediaType::Form | MediaType::Other => Parameters::from_form(&bytes).map(Parameters::into_object),
    };
    parsed.map_err(BodyError::Parameters)
}

#[expect(clippy::disallowed_methods, reason = "collects a Limited body")]
async fn read<B>(body: B, cap: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match tokio::time::timeout(READ_WITHIN, Limited::new(body, cap).collect()).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::Cut),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    async fn check(content_type: &'static str, body: Vec<u8>) -> Result<Option<String>, BodyError> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static(content_type));
        parameters(&headers, Full::new(Bytes::from(body))).await.map(|mut it| it.take("a"))
    }

    #[tokio::test]
    async fn a_form_and_json_are_read_and_nothing_else() {
        assert_eq!(
            check("application/x-www-form-urlencoded; charset=utf-8", b"a=1".to_vec()).await.ok().flatten().as_deref(),
            Some("1")
        );
        assert_eq!(check("application/json", br#"{"a":"1"}"#.to_vec()).await.ok().flatten().as_deref(), Some("1"));
        assert!(matches!(check("text/plain", b"a=1".to_vec()).await, Err(BodyError::MediaType)));
    }

    #[tokio::test]
    async fn a_body_over_the_cap_is_refused() {
        let body = vec![b'a'; PUBLIC_CAP + 1];
        assert!(matches!(check("application/x-www-form-urlencoded", body).await, Err(BodyError::TooLarge)));
    }
}
