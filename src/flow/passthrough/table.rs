//! What is passed on: each endpoint's path, members and manners (auth0-facts 1.4, 1.6, 1.11, 1.12).

use http::Method;

use crate::auth0::relay::Shows;
use crate::telemetry::metrics::Api;
use crate::tenant::model::Passthrough;

/// One of Auth0's further endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `POST /oauth/revoke`.
    Revoke,
    /// `POST /oauth/device/code`.
    DeviceCode,
    /// `POST /oauth/par`.
    Par,
    /// `POST /passwordless/start`.
    PasswordlessStart,
    /// `POST /dbconnections/signup`.
    Signup,
    /// `POST /dbconnections/change_password`.
    ChangePassword,
    /// `POST /mfa/associate`.
    MfaAssociate,
    /// `POST /mfa/challenge`.
    MfaChallenge,
    /// `GET /mfa/authenticators`.
    MfaAuthenticators,
    /// `DELETE /mfa/authenticators/{id}`.
    MfaAuthenticator,
}

/// What a member must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A short list of strings.
    Texts,
    /// A short object of short strings.
    Metadata,
    /// An object of strings, held against the client's file.
    AuthParams,
}

/// How the body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Form,
    Json,
}

/// One endpoint.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) operation: Operation,
    /// What a tenant file calls it.
    pub(super) member: Passthrough,
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) api: Api,
    pub(super) shows: Shows,
    pub(super) encoding: Encoding,
    pub(super) required: &'static [&'static str],
    /// Everything that is passed on, the required ones too.
    pub(super) members: &'static [(&'static str, Kind)],
}

impl Row {
    /// Whether the caller brings an `mfa_token` as its bearer.
    pub(super) fn takes_bearer(&self) -> bool {
        matches!(self.operation, Operation::MfaAssociate | Operation::MfaAuthenticators | Operation::MfaAuthenticator)
    }
}

/// The endpoint's row.
pub(super) fn row(operation: Operation) -> &'static Row {
    match operation {
        Operation::Revoke => &REVOKE,
        Operation::DeviceCode => &DEVICE_CODE,
        Operation::Par => &PAR,
        Operation::PasswordlessStart => &PASSWORDLESS_START,
        Operation::Signup => &SIGNUP,
        Operation::ChangePassword => &CHANGE_PASSWORD,
        Operation::MfaAssociate => &MFA_ASSOCIATE,
        Operation::MfaChallenge => &MFA_CHALLENGE,
        Operation::MfaAuthenticators => &MFA_AUTHENTICATORS,
        Operation::MfaAuthenticator => &MFA_AUTHENTICATOR,
    }
}

static REVOKE: Row = Row {
    operation: Operation::Revoke,
    member: Passthrough::Revoke,
    method: Method::POST,
    path: "/oauth/revoke",
    api: Api::Revoke,
    shows: Shows::Client,
    encoding: Encoding::Form,
    required: &["token"],
    members: &[("token", Kind::Text), ("token_type_hint", Kind::Text)],
};

static DEVICE_CODE: Row = Row {
    operation: Operation::DeviceCode,
    member: Passthrough::Device,
    method: Method::POST,
    path: "/oauth/device/code",
    api: Api::Device,
    shows: Shows::ClientId,
    encoding: Encoding::Form,
    required: &[],
    members: &[("scope", Kind::Text), ("audience", Kind::Text)],
};

/// Its members are an authorization request's, built anew.
static PAR: Row = Row {
    operation: Operation::Par,
    member: Passthrough::Par,
    method: Method::POST,
    path: "/oauth/par",
    api: Api::Par,
    shows: Shows::Client,
    encoding: Encoding::Form,
    required: &[],
    members: &[],
};

static PASSWORDLESS_START: Row = Row {
    operation: Operation::PasswordlessStart,
    member: Passthrough::Passwordless,
    method: Method::POST,
    path: "/passwordless/start",
    api: Api::Passwordless,
    shows: Shows::Client,
    encoding: Encoding::Json,
    required: &["connection"],
    members: &[
        ("connection", Kind::Text),
        ("email", Kind::Text),
        ("phone_number", Kind::Text),
        ("send", Kind::Text),
        ("authParams", Kind::AuthParams),
    ],
};

static SIGNUP: Row = Row {
    operation: Operation::Signup,
    member: Passthrough::Signup,
    method: Method::POST,
    path: "/dbconnections/signup",
    api: Api::Database,
    shows: Shows::ClientId,
    encoding: Encoding::Json,
    required: &["password"],
    members: &[
        ("email", Kind::Text),
        ("password", Kind::Text),
        ("connection", Kind::Text),
        ("username", Kind::Text),
        ("phone_number", Kind::Text),
        ("given_name", Kind::Text),
        ("family_name", Kind::Text),
        ("name", Kind::Text),
        ("nickname", Kind::Text),
        ("picture", Kind::Text),
        ("user_metadata", Kind::Metadata),
    ],
};

static CHANGE_PASSWORD: Row = Row {
    operation: Operation::ChangePassword,
    member: Passthrough::ChangePassword,
    method: Method::POST,
    path: "/dbconnections/change_password",
    api: Api::Database,
    shows: Shows::ClientId,
    encoding: Encoding::Json,
    required: &["email"],
    members: &[("email", Kind::Text), ("connection", Kind::Text), ("organization", Kind::Text)],
};

static MFA_ASSOCIATE: Row = Row {
    operation: Operation::MfaAssociate,
    member: Passthrough::Mfa,
    method: Method::POST,
    path: "/mfa/associate",
    api: Api::Mfa,
    shows: Shows::Client,
    encoding: Encoding::Json,
    required: &["authenticator_types"],
    members: &[("authenticator_types", Kind::Texts), ("oob_channels", Kind::Texts), ("phone_number", Kind::Text)],
};

static MFA_CHALLENGE: Row = Row {
    operation: Operation::MfaChallenge,
    member: Passthrough::Mfa,
    method: Method::POST,
    path: "/mfa/challenge",
    api: Api::Mfa,
    shows: Shows::Client,
    encoding: Encoding::Json,
    required: &["mfa_token"],
    members: &[("mfa_token", Kind::Text), ("challenge_type", Kind::Text), ("authenticator_id", Kind::Text)],
};

static MFA_AUTHENTICATORS: Row = Row {
    operation: Operation::MfaAuthenticators,
    member: Passthrough::Mfa,
    method: Method::GET,
    path: "/mfa/authenticators",
    api: Api::Mfa,
    shows: Shows::Nothing,
    encoding: Encoding::Json,
    required: &[],
    members: &[],
};

static MFA_AUTHENTICATOR: Row = Row {
    operation: Operation::MfaAuthenticator,
    member: Passthrough::Mfa,
    method: Method::DELETE,
    path: "/mfa/authenticators/",
    api: Api::Mfa,
    shows: Shows::Nothing,
    encoding: Encoding::Json,
    required: &[],
    members: &[],
};
