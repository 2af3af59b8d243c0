//! A tenant's users: found by login or by `sub`, blocked, deleted; the claims their profile yields.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::world::{ActionClaim, ClaimValue, WorldUser};
use crate::oauth::scope::Scopes;

/// The users of one tenant.
#[derive(Debug, Default)]
pub(super) struct Users {
    by_subject: HashMap<String, Arc<WorldUser>>,
    /// Connection, then lower-case e-mail, to `sub`.
    by_login: HashMap<String, HashMap<String, String>>,
    /// The `sub` added first, for minted tokens.
    first: Option<String>,
}

impl Users {
    /// From the world's list; the later of two with one `sub` counts.
    pub(super) fn new(users: Vec<WorldUser>) -> Self {
        let mut all = Self::default();
        for user in users {
            all.put(user);
        }
        all
    }

    /// Adds or replaces a user.
    pub(super) fn put(&mut self, user: WorldUser) {
        let logins = self.by_login.entry(user.connection.clone()).or_default();
        logins.insert(user.email.to_lowercase(), user.subject.clone());
        self.first.get_or_insert_with(|| user.subject.clone());
        self.by_subject.insert(user.subject.clone(), Arc::new(user));
    }

    /// Who was added first, unless deleted since.
    pub(super) fn first(&self) -> Option<Arc<WorldUser>> {
        self.by_subject(self.first.as_deref()?)
    }

    /// Who logs in with this name in this connection.
    pub(super) fn by_login(&self, connection: &str, username: &str) -> Option<Arc<WorldUser>> {
        let subject = self.by_login.get(connection)?.get(&username.to_lowercase())?;
        self.by_subject(subject)
    }

    /// Whose `sub` this is.
    pub(super) fn by_subject(&self, subject: &str) -> Option<Arc<WorldUser>> {
        self.by_subject.get(subject).cloned()
    }

    /// The `sub` of one who has this e-mail.
    pub(super) fn subject_of(&self, email: &str) -> Option<String> {
        self.subjects_of(email).into_iter().next()
    }

    /// Blocks or unblocks whoever has this `sub` or e-mail; says how many that were.
    pub(super) fn set_blocked(&mut self, user: &str, blocked: bool) -> usize {
        let subjects = self.subjects_of(user);
        for subject in &subjects {
            if let Some(user) = self.by_subject.get_mut(subject) {
                Arc::make_mut(user).blocked = blocked;
            }
        }
        subjects.len()
    }

    /// Deletes whoever has this `sub` or e-mail; says how many that were.
    pub(super) fn delete(&mut self, user: &str) -> usize {
        let subjects = self.subjects_of(user);
        for subject in &subjects {
            self.by_subject.remove(subject);
        }
        for logins in self.by_login.values_mut() {
            logins.retain(|_, subject| !subjects.contains(subject));
        }
        subjects.len()
    }

    fn subjects_of(&self, user: &str) -> Vec<String> {
        let matches = |have: &&Arc<WorldUser>| have.subject == user || have.email.eq_ignore_ascii_case(user);
        self.by_subject.values().filter(matches).map(|user| user.subject.clone()).collect()
    }
}

/// The standard claims that `scope` opens (auth0-facts 1.9): the profile with Auth0's own shapes,
/// such as `updated_at` as text.
pub(super) fn profile_claims(user: &WorldUser, scope: &Scopes) -> Map<String, Value> {
    let mut claims = Map::new();
    if scope.contains("profile") {
        let nickname = user.email.split('@').next().unwrap_or_default();
        claims.insert("nickname".to_owned(), json!(nickname));
        claims.insert("name".to_owned(), json!(user.email));
        claims.insert("picture".to_owned(), json!(format!("https://cdn.auth0.example/avatars/{nickname}.png")));
        claims.insert("updated_at".to_owned(), json!("2026-11-01T08:00:00.000Z"));
    }
    if scope.contains("email") {
        claims.insert("email".to_owned(), json!(user.email));
        claims.insert("email_verified".to_owned(), json!(true));
    }
    claims
}

/// The claims that the tenant's Actions set for this user.
pub(super) fn action_claims(user: &WorldUser, actions: &[ActionClaim]) -> Map<String, Value> {
    let value = |claim: &ActionClaim| match claim.value {
        ClaimValue::ConnectionName => json!(user.connection),
        ClaimValue::AppMetadata => user.app_metadata.clone(),
        ClaimValue::UserMetadata => user.user_metadata.clone(),
    };
    actions.iter().map(|claim| (claim.name.clone(), value(claim))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let user = |connection: &str| WorldUser::new("acme", connection, "User@acme.example", "pw");
        Users::new(vec![user("one"), user("two")])
    }

    #[test]
    fn a_login_is_looked_up_in_its_connection_alone_and_without_case() {
        let users = users();
        let one = users.by_login("one", "uSER@acme.example").expect("lives in one");
        let two = users.by_login("two", "user@ACME.example").expect("lives in two");
        assert_ne!(one.subject, two.subject);
        assert!(users.by_login("three", "user@acme.example").is_none());
    }

    #[test]
    fn a_deleted_user_is_gone_by_login_and_by_subject() {
        let mut users = users();
        let one = users.by_login("one", "user@acme.example").expect("lives in one").subject.clone();
        assert_eq!(users.delete(&one), 1);
        assert!(users.by_login("one", "user@acme.example").is_none() && users.by_subject(&one).is_none());
        assert!(users.by_login("two", "user@acme.example").is_some());
        assert_eq!(users.delete("user@acme.example"), 1);
    }

    #[test]
    fn a_block_by_email_reaches_every_connection() {
        let mut users = users();
        assert_eq!(users.set_blocked("user@acme.example", true), 2);
        assert!(users.by_login("one", "user@acme.example").expect("lives").blocked);
        assert_eq!(users.set_blocked("nobody@acme.example", true), 0);
    }
}
