//! What a check works with: an empty store, its clock, and sample sessions.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::{Clock, ManualClock};
use crate::base::digest::Digest;
use crate::base::id::{ClientType, Issuer, NameError, TenantName};
use crate::base::random::{Random, SystemRandom};
use crate::base::secret::Secret;
use crate::session::{Session, SessionId, SessionStore, StoreError, Stored};

/// How long a sample session may be idle. Checks move the clock by whole hundreds of seconds, so that no
/// slowness of the machine, on which the clock runs too, changes what they see.
pub(super) const IDLE: Duration = Duration::from_secs(1000);
/// How long a sample session lives.
pub(super) const LIFETIME: Duration = Duration::from_secs(10_000);

/// A check's ground.
#[derive(Clone)]
pub(super) struct World {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) clock: Arc<ManualClock>,
}

impl World {
    pub(super) fn new(store: Arc<dyn SessionStore>, clock: Arc<ManualClock>) -> Self {
        Self { store, clock }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// So many seconds from now.
    pub(super) fn at(&self, seconds: u64) -> Timestamp {
        self.now().saturating_add(Duration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock ahead by so many seconds.
    pub(super) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A session of that user, opened now, not yet in the store.
    pub(super) fn sample(&self, subject: &str) -> Session {
        sample(self.now(), subject)
    }

    /// Opens a sample session of that user.
    pub(super) async fn opened(&self, subject: &str) -> Result<(SessionId, Session), Found> {
        let session = self.sample(subject);
        Ok((self.open(&session).await?, session))
    }

    /// Opens that session under a new id.
    pub(super) async fn open(&self, session: &Session) -> Result<SessionId, Found> {
        let id = SessionId::generate(&SystemRandom);
        self.store.open(&id, session.clone(), u32::MAX).await?;
        Ok(id)
    }

    /// Reads a session that must be there.
    pub(super) async fn read(&self, id: &SessionId) -> Result<Stored, Found> {
        self.store.read(id).await?.ok_or_else(|| Found::from("no session where there must be one"))
    }

    /// Fails unless there is no such session.
    pub(super) async fn is_gone(&self, id: &SessionId) -> Verdict {
        match self.store.read(id).await? {
            None => Ok(()),
            Some(_) => Err(Found::from("a session where there must be none")),
        }
    }
}

/// A session of `subject`, opened `now` at the tenant `acme`, idle after 1,000 s and over after 10,000 s.
pub fn sample(now: Timestamp, subject: &str) -> Session {
    let at = |after: Duration| now.saturating_add(after).unwrap_or(Timestamp::MAX);
    Session {
        tenant: name(TenantName::parse("acme")),
        issuer: issuer("https://login.acme.example/"),
        client_type: name(ClientType::parse("web")),
        client_id: "acme-web".into(),
        host: "app.acme.localhost".into(),
        connection: None,
        connection_proven: false,
        subject: subject.into(),
        sid: Some(format!("sid of {subject}").into()),
        claims: [("sub".to_owned(), subject.into())].into_iter().collect(),
        access_token: Secret::new("an access token"),
        access_expires: at(LIFETIME),
        refresh_token: Some(Secret::new("a refresh token")),
        refresh_token_rotates: None,
        scope: "openid offline_access".into(),
        opened: now,
        confirmed: now,
        idle_until: at(IDLE),
        ends: at(LIFETIME),
    }
}

/// Another tenant.
pub(super) fn tenant(text: &str) -> TenantName {
    name(TenantName::parse(text))
}

/// Another issuer.
pub(super) fn issuer(text: &str) -> Issuer {
    name(Issuer::parse(text))
}

/// A key that no other check has.
pub(super) fn key() -> Digest {
    let mut bytes = [0; 32];
    SystemRandom.fill(&mut bytes);
    Digest::of(bytes)
}

/// What was found in place of what the sentence says.
#[derive(Debug)]
pub(super) struct Found(pub(super) String);

/// A check's outcome.
pub(super) type Verdict = Result<(), Found>;

impl From<&str> for Found {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<StoreError> for Found {
    /// A store that fails while it is tried keeps no sentence.
    fn from(error: StoreError) -> Self {
        Self(format!("{error:?}"))
    }
}

/// Fails unless what was found is what the sentence wants.
#[expect(clippy::needless_pass_by_value, reason = "reads as assert_eq does; what is compared is made for it")]
pub(super) fn equal<T: PartialEq + Debug>(what: &str, found: T, wanted: T) -> Verdict {
    if found == wanted { Ok(()) } else { Err(Found(format!("{what}: {found:?} and not {wanted:?}"))) }
}

/// Fails with that text unless the condition holds.
pub(super) fn ensure(holds: bool, otherwise: &str) -> Verdict {
    if holds { Ok(()) } else { Err(Found::from(otherwise)) }
}

fn name<T>(parsed: Result<T, NameError>) -> T {
    parsed.expect("the samples' names are literals of this suite, well formed by their rules")
}
