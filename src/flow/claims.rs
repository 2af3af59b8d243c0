//! How claims are shown at `/userinfo`: without the token's own machinery, namespaces shortened,
//! members of `app_metadata` lifted.

use serde_json::{Map, Value};

use crate::tenant::model::ClaimRules;

/// Claims about the token and not about the user.
const MACHINERY: [&str; 18] = [
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "azp",
    "gty",
    "scope",
    "sid",
    "client_id",
    "acr",
    "amr",
    "auth_time",
];

/// OIDC Core §5.1: never replaced by a shortened or lifted name.
const STANDARD: [&str; 20] = [
    "sub",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
];

/// The object that `/userinfo` answers with.
pub fn present(claims: &Map<String, Value>, rules: &ClaimRules) -> Map<String, Value> {
    let mut shown = Map::new();
    if let Some(sub) = claims.get("sub") {
        shown.insert("sub".into(), sub.clone());
    }
    let is_namespace = |name: &str| rules.namespaces.iter().any(|namespace| **namespace == *name);
    for (name, value) in claims {
        if !MACHINERY.contains(&name.as_str()) && !is_namespace(name) {
            shown.insert(name.clone(), value.clone());
        }
    }
    for namespace in &rules.namespaces {
        if let Some(value) = claims.get(&**namespace) {
            add(&mut shown, last_segment(namespace), value);
        }
    }
    if let Some(Value::Object(metadata)) = shown.get("app_metadata").cloned() {
        for member in &rules.lift {
            if let Some(value) = metadata.get(&**member) {
                add(&mut shown, member, value);
            }
        }
    }
    shown
}

/// Adds a claim that must neither replace another nor pass for a standard one.
fn add(shown: &mut Map<String, Value>, name: &str, value: &Value) {
    if !STANDARD.contains(&name) && !MACHINERY.contains(&name) && !shown.contains_key(name) {
        shown.insert(name.to_owned(), value.clone());
    }
}

/// `https://acme.com/app_metadata` is `app_metadata`.
fn last_segment(namespace: &str) -> &str {
    namespace.trim_end_matches('/').rsplit('/').next().unwrap_or(namespace)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rules() -> ClaimRules {
        ClaimRules {
            connection: None,
            namespaces: ["https://acme.com/app_metadata", "https://acme.com/email", "https://acme.com/sub"]
                .map(Into::into)
                .to_vec(),
            lift: ["groups", "email"].map(Into::into).to_vec(),
        }
    }

    fn check(claims: Value, expected: Value) {
        let (Value::Object(claims), Value::Object(expected)) = (claims, expected) else { unreachable!("objects") };
        assert_eq!(present(&claims, &rules()), expected);
    }

    #[test]
    fn machinery_goes_namespaces_are_shortened_members_are_lifted() {
        check(
            json!({"iss": "i", "aud": "a", "sub": "s", "sid": "x", "email": "e", "https://acme.com/app_metadata": {"groups": ["admin"], "plan": 1}}),
            json!({"sub": "s", "email": "e", "app_metadata": {"groups": ["admin"], "plan": 1}, "groups": ["admin"]}),
        );
    }

    #[test]
    fn no_shortened_or_lifted_name_replaces_a_standard_claim() {
        check(
            json!({"sub": "s", "https://acme.com/email": "evil", "https://acme.com/sub": "other", "https://acme.com/app_metadata": {"email": "evil"}}),
            json!({"sub": "s", "app_metadata": {"email": "evil"}}),
        );
    }

    proptest! {
        #[test]
        fn sub_is_shown_as_it_is_whatever_the_claims(names in proptest::collection::vec("[a-z:/.]{0,24}", 0..12)) {
            let mut claims: Map<String, Value> = names.into_iter().map(|name| (name, json!("x"))).collect();
            claims.insert("sub".into(), json!("auth0|1"));
            let shown = present(&claims, &rules());
            prop_assert_eq!(shown.get("sub"), Some(&json!("auth0|1")));
        }
    }
}
