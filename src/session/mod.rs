//! Sessions: what stands behind a session cookie, and the store that keeps it.
//!
//! Owns the record, the contract of every store and the conformance suite that each must pass.
//! What a login or refresh does with a session is `flow`'s.

pub mod conformance;
pub mod embedded;
pub mod kept_ends;
pub mod memory;
pub mod observed;
pub mod record;
pub mod records;
#[cfg(feature = "redis")]
pub mod redis;
pub mod ring;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jiff::Timestamp;

use crate::base::digest::Digest;
use crate::base::id::{ClientType, ConnectionName, Issuer, TenantName};
use crate::base::random::Random;
use crate::base::secret::Secret;

/// The value of a session cookie: 256 random bits, base64url. Whoever holds it is the user.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(Secret);

impl SessionId {
    /// A fresh one.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = [0u8; 32];
        random.fill(&mut bytes);
        Self(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// From a cookie. `None` for anything that [`generate`](Self::generate) cannot have made.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0u8; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (text.len() == 43 && length == 32).then(|| Self(Secret::new(text)))
    }

    /// For the `Set-Cookie` and the login's body.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId([redacted])")
    }
}

/// One login. Checked against the request on every read: tenant, issuer, client, host, connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The tenant that opened it.
    pub tenant: TenantName,
    /// Its issuer then: a tenant file that moves to another Auth0 takes no session along.
    pub issuer: Issuer,
    /// The client type that opened it.
    pub client_type: ClientType,
    /// That client's Auth0 id then.
    pub client_id: Box<str>,
    /// The canonical host it was opened on, without a port.
    pub host: Box<str>,
    /// The connection of the login, if one was sent or claimed.
    pub connection: Option<ConnectionName>,
    /// Whether the connection is proven (contract §1).
    pub connection_proven: bool,
    /// `sub`.
    pub subject: Box<str>,
    /// Auth0's `sid` of the login. A refreshed ID token has none, so this one is kept.
    pub sid: Option<Box<str>>,
    /// The verified ID token's claims, as a JSON object.
    pub claims: serde_json::Map<String, serde_json::Value>,
    /// The access token and when it ends.
    pub access_token: Secret,
    /// `exp` of the access token by its `expires_in`.
    pub access_expires: Timestamp,
    /// Absent where `offline_access` was not granted.
    pub refresh_token: Option<Secret>,
    /// Whether a refresh gave a new refresh token. `None`: there was no refresh yet, and the token
    /// must be treated as one that rotates.
    pub refresh_token_rotates: Option<bool>,
    /// The granted scope.
    pub scope: Box<str>,
    /// When the user logged in.
    pub opened: Timestamp,
    /// When Auth0 last said that the login stands (login or refresh).
    pub confirmed: Timestamp,
    /// Over at this time if not used before. Moved on by a touch.
    pub idle_until: Timestamp,
    /// Over at this time, used or not.
    pub ends: Timestamp,
}

impl Session {
    /// Whether the session's own times have passed. A store's expiry only sweeps; this decides.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.ends || now >= self.idle_until
    }
}

/// A session as read, with the version that a conditional write names.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The record.
    pub session: Session,
    /// Grows with every [`SessionStore::replace`]; a touch leaves it.
    pub version: u64,
}

/// What a conditional write found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// Written; the new version.
    Done(u64),
    /// The session is at another version: read again.
    Changed,
    /// There is no such session any more. It is not made anew: a logout always wins.
    Gone,
}

/// A right to be the only one at something, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Grows with each holder: a late writer with a lower number is refused.
    pub fence: u64,
}

/// Whose sessions of a user or a tenant are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// All of a user.
    User {
        /// The issuer of the `sub`.
        issuer: Issuer,
        /// Its `sub`.
        subject: Box<str>,
        /// Only those opened before this.
        opened_before: Option<Timestamp>,
    },
    /// Those of one Auth0 session.
    Sid {
        /// The issuer of the `sid`.
        issuer: Issuer,
        /// Its `sid`.
        sid: Box<str>,
    },
    /// All of a tenant opened before a time.
    Tenant {
        /// The tenant.
        tenant: TenantName,
        /// Only those opened before this.
        opened_before: Timestamp,
    },
}

/// Why a store did not answer. Never a reason to believe that a session is gone.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached, or did not answer in time.
    #[error("the session store does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A record that no key of the ring opens, or of a version this release does not read.
    #[error("a session record cannot be read")]
    Unreadable,
}

/// What every call to a store gives.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps sessions, and the small facts that replicas must agree on.
///
/// Named whole from the first day, so that a flow written on the store of one process holds on the
/// store of many. Every sentence here is a check of [`conformance`], which each backend passes.
///
/// Every method is atomic on its own, and does nothing before its future is polled. Expiry is by the
/// record's own times against the clock the store was given, whatever the backend's own expiry does:
/// a session that [is over](Session::is_over) is not read, and something kept `until` a time is gone
/// at that time. An error never means that something is gone.
///
/// First times, taken values, leases and shared results have key spaces of their own: one digest may
/// stand in all four.
pub trait SessionStore: Send + Sync + fmt::Debug {
    /// Puts a new session in. Of the live sessions of its (tenant, client id, subject), those with the
    /// oldest `opened` end until `per_user` are left (0 counts as 1); the new one never goes, and those
    /// that are over count for nothing. A second `open` of one id replaces the first: ids are random.
    fn open<'a>(&'a self, id: &'a SessionId, session: Session, per_user: u32) -> StoreFuture<'a, ()>;

    /// The session, if it is there and not over.
    fn read<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Stored>>;

    /// Moves `idle_until` on, never back, and leaves the version. `false` where there is no such session
    /// or it is over: it is not made anew.
    fn touch<'a>(&'a self, id: &'a SessionId, idle_until: Timestamp) -> StoreFuture<'a, bool>;

    /// Writes the session if it is still at `version`. Its `idle_until` never goes back. One that ended or
    /// is over is [`Replaced::Gone`]. What the session is found by (tenant, issuer, client id, subject,
    /// sid, `opened`) must be as it was: a store need not move its indexes.
    fn replace<'a>(&'a self, id: &'a SessionId, version: u64, session: Session) -> StoreFuture<'a, Replaced>;

    /// Ends the session and gives back what it was, for the revocation of its tokens; one that is over
    /// may have been swept. Ending twice is `None`: of many callers one gets the session.
    fn end<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Session>>;

    /// Ends all of them; how many that were not yet over. `opened_before` is exclusive.
    fn end_all<'a>(&'a self, whose: &'a Whose) -> StoreFuture<'a, u64>;

    /// The subjects with live sessions of a tenant, sorted by byte, each once, after `after`, at most
    /// `limit`.
    fn active_subjects<'a>(
        &'a self,
        tenant: &'a TenantName,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Box<str>>>;

    /// How many live sessions there are, for the gauge.
    fn count(&self) -> StoreFuture<'_, u64>;

    /// `true` for the first caller with this key, `false` for every later one until the first one's
    /// `until`, whatever the later ones say.
    fn first_time(&self, key: Digest, until: Timestamp) -> StoreFuture<'_, bool>;

    /// Keeps a value that [`take`](Self::take) gives out once. A second value takes the first one's place.
    fn put(&self, key: Digest, value: Bytes, until: Timestamp) -> StoreFuture<'_, ()>;

    /// The value, to the first who asks.
    fn take(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>>;

    /// The lease on `key` for `ttl`, or `None` while another has it. Each lease of a key has a higher
    /// fence than all before it, also after a release, a lapse and a sweep.
    fn lease(&self, key: Digest, ttl: Duration) -> StoreFuture<'_, Option<Lease>>;

    /// Holds the lease for `ttl` from now. `false` where it is no longer ours, which it is not after its
    /// time either, though nobody else has it: its holder must not go on as if it had never stopped.
    fn renew(&self, key: Digest, lease: Lease, ttl: Duration) -> StoreFuture<'_, bool>;

    /// Gives the lease back; nothing where it is no longer ours.
    fn release(&self, key: Digest, lease: Lease) -> StoreFuture<'_, ()>;

    /// Shows a result to everyone who asks for `key` until `until`, in place of an earlier one. Refused
    /// (`false`) where a higher fence than `lease`'s has been handed out for that key within
    /// [`FENCE_MEMORY`]; a lease that lapsed or was given back may still share while nobody followed.
    fn share(&self, key: Digest, lease: Lease, value: Bytes, until: Timestamp) -> StoreFuture<'_, bool>;

    /// The shared result, until its time.
    fn shared(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>>;

    /// What was read of the session within the last [`RECENT`] while every change was heard of, for when the store
    /// cannot be asked. Never one whose end was heard of here. Asks nobody; most stores keep nothing.
    fn recent(&self, _id: &SessionId) -> Option<Stored> {
        None
    }

    /// Which server answers; another one may lack what the one before had answered last. `None`: what was answered
    /// is never lost.
    fn server(&self) -> Option<u64> {
        None
    }

    /// Whether it has heard of every end that was asked for here.
    fn is_whole(&self) -> bool {
        true
    }

    /// Drops what is over. Called now and then; changes nothing that can be observed but memory, and what
    /// [`end`](Self::end) gives back of sessions that are over.
    fn sweep(&self) -> StoreFuture<'_, ()>;
}

/// How long after a lease's end a store still refuses its predecessors: far longer than any holder's
/// work may take (`refresh.timeout`).
pub const FENCE_MEMORY: Duration = Duration::from_hours(1);

/// For how long a session may be served that the store cannot be asked about (contract §4, `serve_stale`).
pub const RECENT: Duration = Duration::from_secs(60);
