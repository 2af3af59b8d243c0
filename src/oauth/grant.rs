//! The grant types, their names on the wire and in a tenant file.

/// A way to get tokens from the token endpoint.
///
/// Two names each: the short one stands in a tenant file's `grants`, the other is what `grant_type`
/// says on the wire (RFC 6749 §4, Auth0's own URIs: auth0-facts 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.3; with a connection it is sent as Auth0's password-realm.
    Password,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8628.
    DeviceCode,
    /// Auth0's passwordless one-time password.
    PasswordlessOtp,
    /// Auth0's MFA by one-time password.
    MfaOtp,
    /// Auth0's MFA by a second channel.
    MfaOob,
    /// Auth0's MFA by recovery code.
    MfaRecoveryCode,
    /// RFC 8693, Auth0's custom token exchange.
    TokenExchange,
}

/// Auth0's grant that names the connection of a password login in `realm`.
pub const PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";

impl GrantType {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::Password,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::PasswordlessOtp,
        Self::MfaOtp,
        Self::MfaOob,
        Self::MfaRecoveryCode,
        Self::TokenExchange,
    ];

    /// The word of a tenant file's `grants`, also the metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "device_code",
            Self::PasswordlessOtp => "passwordless_otp",
            Self::MfaOtp => "mfa_otp",
            Self::MfaOob => "mfa_oob",
            Self::MfaRecoveryCode => "mfa_recovery_code",
            Self::TokenExchange => "token_exchange",
        }
    }

    /// What `grant_type` says on the wire.
    pub fn wire(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::PasswordlessOtp => "http://auth0.com/oauth/grant-type/passwordless/otp",
            Self::MfaOtp => "http://auth0.com/oauth/grant-type/mfa-otp",
            Self::MfaOob => "http://auth0.com/oauth/grant-type/mfa-oob",
            Self::MfaRecoveryCode => "http://auth0.com/oauth/grant-type/mfa-recovery-code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// From a tenant file's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.name() == name)
    }

    /// From `grant_type`; password-realm is [`GrantType::Password`].
    pub fn from_wire(wire: &str) -> Option<Self> {
        if wire == PASSWORD_REALM {
            return Some(Self::Password);
        }
        Self::ALL.into_iter().find(|grant| grant.wire() == wire)
    }
}
