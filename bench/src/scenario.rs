//! What the load does: operations, who does them, and the credentials that they need.

mod calls;
mod mix;
mod pools;
pub mod reload;
pub mod storm;

use std::fmt;
use std::str::FromStr;

pub use mix::{Chosen, Mix, Uses};
pub use pools::{Credentials, Needs, TokenUse};

use crate::callers::Caller;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `POST /oauth/token`, the password grant.
    Password,
    /// `POST /oauth/token`, the refresh grant.
    Refresh,
    /// `POST /oauth/token`, the grant of machines.
    ClientCredentials,
    /// `GET /userinfo` with a session cookie.
    UserinfoSession,
    /// `GET /userinfo` with a bearer.
    UserinfoBearer,
    /// `GET /authorize`, up to the redirect.
    Authorize,
    /// `POST /logout` of a session that was opened for it.
    Logout,
}

impl Operation {
    /// All of them, with the names they go by.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Password, "token-password"),
        (Self::Refresh, "token-refresh"),
        (Self::ClientCredentials, "token-client-credentials"),
        (Self::UserinfoSession, "userinfo-session"),
        (Self::UserinfoBearer, "userinfo-bearer"),
        (Self::Authorize, "authorize"),
        (Self::Logout, "logout"),
    ];

    /// Whether a caller can do it.
    pub fn suits(self, caller: &Caller) -> bool {
        let has_user = caller.username.is_some() && caller.password.is_some() && caller.may("password");
        match self {
            Self::Password => has_user,
            Self::Refresh => has_user && !caller.session && caller.may("refresh_token"),
            Self::ClientCredentials => caller.may("client_credentials"),
            Self::UserinfoSession | Self::Logout => has_user && caller.session,
            Self::UserinfoBearer => has_user && !caller.session,
            Self::Authorize => caller.may("authorization_code"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(operation, _)| operation == self).map_or("", |(_, name)| name))
    }
}

/// Operations and how often each is done, against the others: `userinfo-session=60,token-password=10`.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(pub Vec<(Operation, f64)>);

impl Weights {
    /// One operation alone.
    pub fn only(operation: Operation) -> Self {
        Self(vec![(operation, 1.0)])
    }
}

impl FromStr for Weights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut weights: Vec<(Operation, f64)> = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let known = Operation::ALL.iter().find(|(_, known)| *known == name.trim());
            let (operation, _) = known.ok_or_else(|| {
                let all: Vec<_> = Operation::ALL.iter().map(|(_, name)| *name).collect();
                format!("`{}` is no operation: {}", name.trim(), all.join(", "))
            })?;
            let weight: f64 = weight.trim().parse().map_err(|_| format!("`{weight}` is no number"))?;
            if !weight.is_finite() || weight < 0.0 {
                return Err(format!("`{weight}` is no weight"));
            }
            if weights.iter().any(|(known, _)| known == operation) {
                return Err(format!("`{operation}` stands twice"));
            }
            weights.push((*operation, weight));
        }
        if weights.iter().all(|(_, weight)| *weight == 0.0) {
            Err("no operation has a weight".to_owned())
        } else {
            Ok(Self(weights))
        }
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(|(operation, weight)| format!("{operation}={weight}")).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_and_shown_alike() {
        let weights: Weights = "userinfo-session=60, token-password=0.5,authorize".parse().expect("are weights");
        assert_eq!(weights.to_string(), "userinfo-session=60,token-password=0.5,authorize=1");
    }

    #[test]
    fn what_is_no_weight_is_said() {
        let said = |text: &str| text.parse::<Weights>().expect_err("is refused");
        assert!(said("coffee=1").starts_with("`coffee` is no operation: token-password"));
        assert_eq!(said("logout=x"), "`x` is no number");
        assert_eq!(said("logout=-1"), "`-1` is no weight");
        assert_eq!(said("logout,logout"), "`logout` stands twice");
        assert_eq!(said("logout=0"), "no operation has a weight");
        assert_eq!(said(""), "no operation has a weight");
    }
}
