//! Grants that the gateway passes on: a table of the members that each may have, and nothing else reaches Auth0
//! (auth0-facts 1.4).

use super::grant::GrantType;
use super::parameters::Parameters;
use crate::base::secret::Secret;

/// What a grant may carry.
#[derive(Debug, Clone, Copy)]
pub struct RelayedGrant {
    /// Which.
    pub grant: GrantType,
    /// It cannot do without these.
    pub required: &'static [&'static str],
    /// It may have these.
    pub optional: &'static [&'static str],
    /// Whether it begins a login: scope, audience and organization are asked for with it. The others go on with what
    /// an earlier request asked for.
    pub begins: Begins,
}

/// What a grant begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// Nothing: it goes on with an earlier request.
    Nothing,
    /// A login, in the connection that `realm` names (passwordless: `email` or `sms`).
    LoginInRealm,
    /// A login by a token of somebody else's.
    Login,
}

/// Every relayed grant.
pub const RELAYED: [RelayedGrant; 6] = [
    RelayedGrant { grant: GrantType::DeviceCode, required: &["device_code"], optional: &[], begins: Begins::Nothing },
    RelayedGrant {
        grant: GrantType::PasswordlessOtp,
        required: &["username", "otp"],
        optional: &[],
        begins: Begins::LoginInRealm,
    },
    RelayedGrant { grant: GrantType::MfaOtp, required: &["mfa_token", "otp"], optional: &[], begins: Begins::Nothing },
    RelayedGrant {
        grant: GrantType::MfaOob,
        required: &["mfa_token", "oob_code"],
        optional: &["binding_code"],
        begins: Begins::Nothing,
    },
    RelayedGrant {
        grant: GrantType::MfaRecoveryCode,
        required: &["mfa_token", "recovery_code"],
        optional: &[],
        begins: Begins::Nothing,
    },
    RelayedGrant {
        grant: GrantType::TokenExchange,
        required: &["subject_token", "subject_token_type"],
        optional: &["actor_token", "actor_token_type", "requested_token_type", "user_profile"],
        begins: Begins::Login,
    },
];

/// A relayed request as parsed.
#[derive(Debug)]
pub struct RelayedRequest {
    /// Its row of the table.
    pub grant: &'static RelayedGrant,
    /// Its members; each may be a credential.
    pub members: Vec<(&'static str, Secret)>,
    /// The connection asked for, where the grant names one.
    pub realm: Option<String>,
    /// The organization asked for, where the grant begins a login. It is held against the client's and never sent.
    pub organization: Option<String>,
}

impl RelayedRequest {
    /// Takes the grant's members out of the parameters; `Err` names the one that is missing. `None` where the grant is
    /// not of the table.
    pub fn parse(grant: GrantType, parameters: &mut Parameters) -> Option<Result<Self, &'static str>> {
        let grant = RELAYED.iter().find(|row| row.grant == grant)?;
        Some(Self::members(grant, parameters))
    }

    fn members(grant: &'static RelayedGrant, parameters: &mut Parameters) -> Result<Self, &'static str> {
        let mut members = Vec::new();
        for name in grant.required {
            members.push((*name, parameters.take_secret(name).ok_or(*name)?));
        }
        members.extend(grant.optional.iter().filter_map(|name| Some((*name, parameters.take_secret(name)?))));
        let realm = match grant.begins {
            Begins::LoginInRealm => Some(parameters.take("realm").ok_or("realm")?),
            Begins::Nothing | Begins::Login => None,
        };
        let organization = match grant.begins {
            Begins::LoginInRealm | Begins::Login => parameters.take("organization"),
            Begins::Nothing => None,
        };
        Ok(Self { grant, members, realm, organization })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(grant: GrantType, form: &str) -> Option<Result<RelayedRequest, &'static str>> {
        RelayedRequest::parse(grant, &mut Parameters::from_form(form.as_bytes()).expect("is a form"))
    }

    #[test]
    fn what_the_table_does_not_have_stays_behind() {
        let form = "subject_token=s&subject_token_type=urn:x&client_secret=c&client_assertion=a&foo=bar&actor_token=t";
        let request = parse(GrantType::TokenExchange, form).expect("is a row").expect("is whole");
        let names: Vec<&str> = request.members.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["subject_token", "subject_token_type", "actor_token"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (grant, form, missing) in [
            (GrantType::DeviceCode, "", "device_code"),
            (GrantType::PasswordlessOtp, "username=u&otp=1", "realm"),
            (GrantType::MfaOob, "mfa_token=m", "oob_code"),
        ] {
            assert_eq!(parse(grant, form).expect("is a row").err(), Some(missing));
        }
        assert!(parse(GrantType::Password, "").is_none());
    }

    proptest! {
        #[test]
        fn nothing_but_the_rows_members_gets_through(form in "[a-z_]{1,12}(=[a-z]{0,4})?(&[a-z_]{1,12}=[a-z]{0,4}){0,8}") {
            for row in &RELAYED {
                let Ok(mut parameters) = Parameters::from_form(form.as_bytes()) else { continue };
                if let Some(Ok(request)) = RelayedRequest::parse(row.grant, &mut parameters) {
                    let allowed = |name: &str| row.required.contains(&name) || row.optional.contains(&name);
                    prop_assert!(request.members.iter().all(|(name, _)| allowed(name)));
                }
            }
        }
    }
}
