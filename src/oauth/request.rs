//! A token request as parsed: a variant per grant, never a bag of strings.
//!
//! Only what a variant names can reach Auth0: a caller's assertion, `request` or `request_uri` has
//! no place to stand in.

use super::grant::{GrantType, PASSWORD_REALM};
use super::parameters::Parameters;
use super::relayed::RelayedRequest;
use super::scope::Scopes;
use crate::base::secret::Secret;

/// Why parameters are no token request. None of these shows a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRequestError {
    /// `grant_type` is missing.
    #[error("grant_type is missing")]
    NoGrantType,
    /// `grant_type` is none that the gateway knows.
    #[error("the grant type is not supported")]
    UnknownGrantType,
    /// A parameter that the grant needs is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// `scope` is not a list of scopes.
    #[error("scope is malformed")]
    Scope,
    /// `connection` and `realm` name two connections.
    #[error("connection and realm differ")]
    TwoConnections,
}

/// What a caller asks of the token endpoint.
#[derive(Debug)]
pub struct TokenRequest {
    /// The scope asked for; absent: all of the client's.
    pub scope: Option<Scopes>,
    /// The audience asked for; absent: the client's first.
    pub audience: Option<String>,
    /// What the grant needs.
    pub grant: GrantRequest,
}

/// The part of a token request that differs by grant.
#[derive(Debug)]
pub enum GrantRequest {
    /// RFC 6749 §4.3, or Auth0's password-realm.
    Password(PasswordRequest),
    /// RFC 6749 §6.
    RefreshToken {
        /// The token to redeem.
        refresh_token: Secret,
    },
    /// RFC 6749 §4.1.3.
    AuthorizationCode(CodeRequest),
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// A row of the table of relayed grants.
    Relayed(RelayedRequest),
}

/// The end of a login in a browser.
#[derive(Debug)]
pub struct CodeRequest {
    /// The code.
    pub code: Secret,
    /// The login's `state`: its transaction cookie has the verifier.
    pub state: Option<String>,
    /// The caller's own verifier (RFC 7636 §4.5).
    pub code_verifier: Option<Secret>,
    /// As the login was begun with (RFC 6749 §4.1.3).
    pub redirect_uri: Option<String>,
}

/// A login by password.
#[derive(Debug)]
pub struct PasswordRequest {
    /// Who says to be.
    pub username: String,
    /// What they know.
    pub password: Secret,
    /// `connection`, or `realm` of a password-realm request.
    pub connection: Option<String>,
}

impl TokenRequest {
    /// Parses the parameters of `POST /oauth/token`. Takes out what it understands.
    pub fn parse(parameters: &mut Parameters) -> Result<Self, TokenRequestError> {
        // A page of the original service posts `{code, state}` and nothing else.
        let is_bare_code = parameters.peek("grant_type").is_none() && parameters.peek("code").is_some();
        let implied = is_bare_code.then(|| GrantType::AuthorizationCode.wire().to_owned());
        let wire = parameters.take("grant_type").or(implied).ok_or(TokenRequestError::NoGrantType)?;
        let grant = match GrantType::from_wire(&wire).ok_or(TokenRequestError::UnknownGrantType)? {
            GrantType::AuthorizationCode => GrantRequest::AuthorizationCode(CodeRequest::parse(parameters)?),
            GrantType::Password => GrantRequest::Password(PasswordRequest::parse(parameters, wire == PASSWORD_REALM)?),
            GrantType::RefreshToken => Self::refresh_token(parameters)?,
            GrantType::ClientCredentials => GrantRequest::ClientCredentials,
            relayed => {
                let request = RelayedRequest::parse(relayed, parameters).ok_or(TokenRequestError::UnknownGrantType)?;
                GrantRequest::Relayed(request.map_err(TokenRequestError::Missing)?)
            }
        };
        Ok(Self { scope: scope(parameters)?, audience: parameters.take("audience"), grant })
    }

    /// Parses the parameters of `POST /refreshtoken`: `refresh_token`, or the original's `refreshToken`.
    pub fn parse_refresh(parameters: &mut Parameters) -> Result<Self, TokenRequestError> {
        let grant = Self::refresh_token(parameters)?;
        Ok(Self { scope: scope(parameters)?, audience: parameters.take("audience"), grant })
    }

    fn refresh_token(parameters: &mut Parameters) -> Result<GrantRequest, TokenRequestError> {
        let token = parameters.take_secret("refresh_token").or_else(|| parameters.take_secret("refreshToken"));
        Ok(GrantRequest::RefreshToken { refresh_token: token.ok_or(TokenRequestError::Missing("refresh_token"))? })
    }
}

impl GrantRequest {
    /// Which grant it is.
    pub fn grant_type(&self) -> GrantType {
        match self {
            Self::Password(_) => GrantType::Password,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
            Self::AuthorizationCode(_) => GrantType::AuthorizationCode,
            Self::ClientCredentials => GrantType::ClientCredentials,
            Self::Relayed(request) => request.grant.grant,
        }
    }
}

impl CodeRequest {
    fn parse(parameters: &mut Parameters) -> Result<Self, TokenRequestError> {
        Ok(Self {
            code: parameters.take_secret("code").ok_or(TokenRequestError::Missing("code"))?,
            state: parameters.take("state"),
            code_verifier: parameters.take_secret("code_verifier"),
            redirect_uri: parameters.take("redirect_uri"),
        })
    }
}

impl PasswordRequest {
    fn parse(parameters: &mut Parameters, is_realm: bool) -> Result<Self, TokenRequestError> {
        let realm = parameters.take("realm");
        let connection = parameters.take("connection");
        if is_realm && realm.is_none() && connection.is_none() {
            return Err(TokenRequestError::Missing("realm"));
        }
        let connection = match (connection, realm) {
            (Some(connection), Some(realm)) if connection != realm => return Err(TokenRequestError::TwoConnections),
            (connection, realm) => connection.or(realm),
        };
        Ok(Self {
            username: parameters.take("username").ok_or(TokenRequestError::Missing("username"))?,
            password: parameters.take_secret("password").ok_or(TokenRequestError::Missing("password"))?,
            connection,
        })
    }
}

fn scope(parameters: &mut Parameters) -> Result<Option<Scopes>, TokenRequestError> {
    let scope = parameters.take("scope").map(|text| Scopes::parse(&text)).transpose();
    scope.map(|scope| scope.filter(|scope| !scope.is_empty())).map_err(|_| TokenRequestError::Scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(form: &str) -> Result<TokenRequest, TokenRequestError> {
        TokenRequest::parse(&mut Parameters::from_form(form.as_bytes()).expect("is a form"))
    }

    #[test]
    fn a_password_request_takes_its_connection_from_either_name() {
        let base = "username=u&password=p";
        for form in [
            format!("grant_type=password&{base}&connection=C"),
            format!("grant_type=password&{base}&realm=C"),
            format!("grant_type=http%3A%2F%2Fauth0.com%2Foauth%2Fgrant-type%2Fpassword-realm&{base}&realm=C"),
            format!("grant_type=password&{base}&realm=C&connection=C"),
        ] {
            let request = parse(&form).expect("is a request");
            let GrantRequest::Password(password) = request.grant else { unreachable!("{form}") };
            assert_eq!(password.connection.as_deref(), Some("C"), "{form}");
        }
    }

    #[test]
    fn a_code_without_a_grant_type_is_a_code_login() {
        for form in ["code=c&state=s", "grant_type=authorization_code&code=c&state=s"] {
            let GrantRequest::AuthorizationCode(code) = parse(form).expect(form).grant else { unreachable!("{form}") };
            assert_eq!((code.code.expose(), code.state.as_deref()), ("c", Some("s")));
        }
        assert_eq!(parse("grant_type=authorization_code").expect_err("no code"), TokenRequestError::Missing("code"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (form, expected) in [
            ("username=u", TokenRequestError::NoGrantType),
            ("grant_type=implicit", TokenRequestError::UnknownGrantType),
            ("grant_type=password&password=p", TokenRequestError::Missing("username")),
            ("grant_type=password&username=u&password=", TokenRequestError::Missing("password")),
            ("grant_type=refresh_token", TokenRequestError::Missing("refresh_token")),
            ("grant_type=password&username=u&password=p&realm=A&connection=B", TokenRequestError::TwoConnections),
            ("grant_type=client_credentials&scope=a%22b", TokenRequestError::Scope),
        ] {
            assert_eq!(parse(form).expect_err(form), expected, "{form}");
        }
    }
}
