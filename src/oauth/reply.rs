//! What the token endpoint answers: RFC 6749 §5.1, or the original service's member names.

use serde::Serialize;

/// A token answer. Members that are `None` are not written.
#[derive(Serialize)]
pub struct TokenReply<'a> {
    /// The access token.
    pub access_token: &'a str,
    /// The ID token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<&'a str>,
    /// Only with `offline_access`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<&'a str>,
    /// The granted scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'a str>,
    /// Seconds.
    pub expires_in: u64,
    /// `Bearer`.
    pub token_type: &'a str,
    /// A fresh recovery code, where the last was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<&'a str>,
    /// RFC 8693 §2.2.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'a str>,
}

/// The same in the original service's names, without scope and type.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CamelCaseTokenReply<'a> {
    /// The access token.
    pub access_token: &'a str,
    /// Only with `offline_access`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<&'a str>,
    /// The ID token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<&'a str>,
    /// When the access token ends, RFC 3339.
    pub expire_at: String,
    /// A fresh recovery code, where the last was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<&'a str>,
    /// RFC 8693 §2.2.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'a str>,
}

/// A login's answer where a session was opened.
#[derive(Serialize)]
pub struct SessionReply<'a> {
    /// The cookie's value; absent with `expose_sid: false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie_sid: Option<&'a str>,
    /// A fresh recovery code, where the last was used: it is the user's to keep, and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<&'a str>,
}

/// The answer to a refresh by session cookie.
#[derive(Serialize)]
pub struct RenewedReply {
    /// Seconds that the session's access token has to live.
    pub expires_in: u64,
}

/// RFC 6749 §5.2.
#[derive(Serialize)]
pub struct ErrorReply<'a> {
    /// The code.
    pub error: &'a str,
    /// For people.
    pub error_description: &'a str,
}
