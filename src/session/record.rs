//! A session as stores keep it: sealed, and found by names that say nothing.
//!
//! Owns the form of a record and the names of ids and indexes; where the bytes lie is a store's.
//!
//! - **Names** ([`id`], [`FoundBy`]) are HMACs under keys derived from the ring's: whoever reads a dump learns
//!   no session id, `sub` or `sid` from them, nor can he try a guessed one.
//! - **The sealed part** begins with a plain head (record version; tenant, issuer, client type, client id, host,
//!   connection) and holds the rest under the ring. Associated data: the head, the id's name, and all that
//!   stands beside it but `idle_until`. So a record under another id, at another tenant or host, of another
//!   version or with another end is [`StoreError::Unreadable`], and so is one whose key has left the ring or
//!   that a later release wrote. Never is it "gone": that would log a user out for a wrong key file.
//! - **Beside it**, readable without a key: what a store needs to sort, sweep and compare. `idle_until` alone
//!   is not bound, because a touch moves it once a minute and must not open and seal a record for that. Whoever
//!   can write to the store can move it, yet never beyond `ends`, which is bound: a session
//!   [is over](super::Session::is_over) at the earlier of the two. Less than that he could do anyway, by
//!   putting an older copy of the record back.

mod fields;

use bytes::Bytes;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::ring::{Digests, KeyRing};
use super::{Session, SessionId, StoreError, Stored, Whose};
use crate::base::digest::Digest;
use crate::base::id::{ClientType, ConnectionName, Issuer, TenantName};
use crate::base::random::Random;
use crate::base::secret::Secret;
use fields::{Reader, Writer, moment, time_of};

/// The form of the sealed part. A reader refuses what it does not know.
const RECORD_VERSION: u8 = 1;

/// Lengths, flags and times of a body: less than this.
const FIXED_ROOM: usize = 128;

/// The names of a session id, under each key of the ring.
pub fn id(ring: &KeyRing, id: &SessionId) -> Digests {
    ring.digests("session id", &[id.expose().as_bytes()])
}

/// The names of what `whose` means, for a look-up: each may have sessions.
pub fn found_by(ring: &KeyRing, whose: &Whose) -> Digests {
    match whose {
        Whose::User { issuer, subject, .. } => user_digests(ring, issuer, subject),
        Whose::Sid { issuer, sid } => sid_digests(ring, issuer, sid),
        Whose::Tenant { tenant, .. } => tenant_digests(ring, tenant),
    }
}

/// The names of a tenant, for a look-up.
pub fn tenant_digests(ring: &KeyRing, tenant: &TenantName) -> Digests {
    ring.digests("tenant", &[tenant.as_str().as_bytes()])
}

/// The names of (tenant, client id, subject), for a look-up: what `per_user` counts by.
pub fn client_digests(ring: &KeyRing, session: &Session) -> Digests {
    let parts = [session.tenant.as_str(), &session.client_id, &session.subject].map(str::as_bytes);
    ring.digests("client", &parts)
}

fn user_digests(ring: &KeyRing, issuer: &Issuer, subject: &str) -> Digests {
    ring.digests("user", &[issuer.as_str().as_bytes(), subject.as_bytes()])
}

fn sid_digests(ring: &KeyRing, issuer: &Issuer, sid: &str) -> Digests {
    ring.digests("sid", &[issuer.as_str().as_bytes(), sid.as_bytes()])
}

/// What a session is found by otherwise than by id. Never changes while it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBy {
    /// (issuer, subject).
    pub user: Digest,
    /// The tenant.
    pub tenant: Digest,
    /// (tenant, client id, subject).
    pub client: Digest,
    /// (issuer, `sid`), where there is one.
    pub sid: Option<Digest>,
}

impl FoundBy {
    /// Under the ring's first key.
    pub fn of(ring: &KeyRing, session: &Session) -> Self {
        let sid = session.sid.as_ref().map(|sid| sid_digests(ring, &session.issuer, sid).current);
        Self {
            user: user_digests(ring, &session.issuer, &session.subject).current,
            tenant: tenant_digests(ring, &session.tenant).current,
            client: client_digests(ring, session).current,
            sid,
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        [&self.user, &self.tenant, &self.client].into_iter().chain(&self.sid)
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.push(u8::from(self.sid.is_some()));
        for digest in self.iter() {
            to.extend(digest.as_bytes());
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let has_sid = from.byte()?;
        let mut digest = || from.array().map(Digest::from_bytes);
        let (user, tenant, client) = (digest()?, digest()?, digest()?);
        let sid = match has_sid {
            0 => None,
            1 => Some(digest()?),
            _ => return None,
        };
        Some(Self { user, tenant, client, sid })
    }
}

/// A session as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Of [`Stored`]. Bound: a replace seals anew.
    pub version: u64,
    /// As in [`Session`]. Bound.
    pub opened: Timestamp,
    /// As in [`Session`]. Bound.
    pub ends: Timestamp,
    /// As in [`Session`]. Not bound: a touch moves it.
    pub idle_until: Timestamp,
    /// Bound.
    pub found_by: FoundBy,
    /// The plain head and what is sealed.
    pub sealed: Vec<u8>,
}

impl Record {
    /// Seals a session at `version` under the ring's first key, to be kept as `id`, one of the names of its id.
    pub fn seal(
        (ring, random): (&KeyRing, &dyn Random),
        id: &Digest,
        session: &Session,
        version: u64,
    ) -> Result<Self, StoreError> {
        let mut record = Self {
            version,
            opened: session.opened,
            ends: session.ends,
            idle_until: session.idle_until,
            found_by: FoundBy::of(ring, session),
            sealed: vec![RECORD_VERSION],
        };
        let (head, body) = head_and_body(session);
        let bound = record.bound();
        let body = ring.seal_bytes(random, &associated(id, head.bytes(), &bound), body.bytes());
        // The cipher refuses nothing but plain texts of gigabytes.
        let body = body.map_err(|_| StoreError::Unreadable)?;
        record.sealed.extend(u32::try_from(head.bytes().len()).unwrap_or(u32::MAX).to_be_bytes());
        record.sealed.extend(head.bytes());
        record.sealed.extend(body);
        Ok(record)
    }

    /// The session that was sealed to be kept as `id`.
    pub fn open(&self, ring: &KeyRing, id: &Digest) -> Result<Stored, StoreError> {
        self.try_open(ring, id).ok_or(StoreError::Unreadable)
    }

    fn try_open(&self, ring: &KeyRing, id: &Digest) -> Option<Stored> {
        let mut parts = Reader::new(&self.sealed);
        if parts.byte()? != RECORD_VERSION {
            return None;
        }
        let (head, body) = (parts.slice()?, parts.rest());
        let body = ring.open_bytes(&associated(id, head, &self.bound()), body).ok()?;
        let session = self.session(Reader::new(head), Reader::new(&body))?;
        Some(Stored { session, version: self.version })
    }

    /// As [`Session::is_over`], without opening it.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.over_at()
    }

    /// When it is over if nobody touches it.
    pub fn over_at(&self) -> Timestamp {
        self.ends.min(self.idle_until)
    }

    /// The record in one piece, `idle_until` first: a touch changes [`Record::IDLE_LENGTH`] bytes in place.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::IDLE_LENGTH + 200 + self.sealed.len());
        bytes.extend(moment(self.idle_until));
        bytes.extend(self.bound());
        bytes.extend(&self.sealed);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut parts = Reader::new(bytes);
        let mut read = || {
            let (idle_until, version) = (parts.time()?, u64::from_be_bytes(parts.array()?));
            let (opened, ends, found_by) = (parts.time()?, parts.time()?, FoundBy::read(&mut parts)?);
            Some(Self { version, opened, ends, idle_until, found_by, sealed: parts.rest().to_vec() })
        };
        read().ok_or(StoreError::Unreadable)
    }

    /// How many bytes [`idle_bytes`](Self::idle_bytes) gives.
    pub const IDLE_LENGTH: usize = fields::MOMENT_LENGTH;

    /// A time as the first bytes of a record hold it; they sort as times do.
    pub fn idle_bytes(idle_until: Timestamp) -> [u8; Self::IDLE_LENGTH] {
        moment(idle_until)
    }

    /// The time that these bytes hold.
    pub fn idle_of(bytes: [u8; Self::IDLE_LENGTH]) -> Result<Timestamp, StoreError> {
        time_of(bytes).ok_or(StoreError::Unreadable)
    }

    /// What stands beside the sealed part and cannot be changed without the key.
    fn bound(&self) -> Vec<u8> {
        let mut bytes = self.version.to_be_bytes().to_vec();
        bytes.extend(moment(self.opened));
        bytes.extend(moment(self.ends));
        self.found_by.write(&mut bytes);
        bytes
    }

    fn session(&self, mut head: Reader<'_>, mut body: Reader<'_>) -> Option<Session> {
        let session = Session {
            tenant: TenantName::parse(head.text()?).ok()?,
            issuer: Issuer::parse(head.text()?).ok()?,
            client_type: ClientType::parse(head.text()?).ok()?,
            client_id: head.text()?.into(),
            host: head.text()?.into(),
            connection: head.optional()?.map(ConnectionName::parse).transpose().ok()?,
            connection_proven: flag(body.byte()?)?,
            subject: body.text()?.into(),
            sid: body.optional()?.map(Into::into),
            claims: serde_json::from_str(body.text()?).ok()?,
            access_token: Secret::new(body.text()?),
            access_expires: body.time()?,
            refresh_token: body.optional()?.map(Secret::new),
            refresh_token_rotates: match body.byte()? {
                2 => None,
                byte => Some(flag(byte)?),
            },
            scope: body.text()?.into(),
            confirmed: body.time()?,
            opened: self.opened,
            idle_until: self.idle_until,
            ends: self.ends,
        };
        (head.is_at_end() && body.is_at_end()).then_some(session)
    }
}

fn associated<'a>(id: &'a Digest, head: &'a [u8], bound: &'a [u8]) -> [&'a [u8]; 5] {
    [b"session record", &[RECORD_VERSION], id.as_bytes(), head, bound]
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Where the session belongs, which stays plain, and everything else, which does not. Taken apart without
/// `..`: the compiler asks where a new field goes.
fn head_and_body(session: &Session) -> (Writer, Writer) {
    let Session {
        tenant,
        issuer,
        client_type,
        client_id,
        host,
        connection,
        connection_proven,
        subject,
        sid,
        claims,
        access_token,
        access_expires,
        refresh_token,
        refresh_token_rotates,
        scope,
        confirmed,
        // Beside the two, see `Record`.
        opened: _,
        ends: _,
        idle_until: _,
    } = session;
    let mut head = Writer::default();
    for text in [tenant.as_str(), issuer.as_str(), client_type.as_str(), client_id, host] {
        head.text(text);
    }
    head.optional(connection.as_ref().map(ConnectionName::as_str));
    let claims = Zeroizing::new(serde_json::to_string(claims).unwrap_or_default());
    let sid = sid.as_deref();
    let refresh_token = refresh_token.as_ref().map(Secret::expose);
    let texts = [Some(&**subject), sid, Some(&*claims), Some(access_token.expose()), refresh_token, Some(&**scope)];
    let mut body = Writer::with_room(texts.into_iter().flatten().map(str::len).sum::<usize>() + FIXED_ROOM);
    body.byte(u8::from(*connection_proven));
    body.text(subject);
    body.optional(sid);
    body.text(&claims);
    body.text(access_token.expose());
    body.time(*access_expires);
    body.optional(refresh_token);
    body.byte(refresh_token_rotates.map_or(2, u8::from));
    body.text(scope);
    body.time(*confirmed);
    (head, body)
}

/// Seals a value or a shared result: such hold tokens. `kind` and `key` are its place; `until` is bound.
pub fn seal_value(
    (ring, random): (&KeyRing, &dyn Random),
    (kind, key): (&str, &Digest),
    until: Timestamp,
    value: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let associated: [&[u8]; 4] = [b"session store value", kind.as_bytes(), key.as_bytes(), &moment(until)];
    ring.seal_bytes(random, &associated, value).map_err(|_| StoreError::Unreadable)
}

/// Opens what [`seal_value`] sealed for the same place and end.
pub fn open_value(
    ring: &KeyRing,
    (kind, key): (&str, &Digest),
    until: Timestamp,
    sealed: &[u8],
) -> Result<Bytes, StoreError> {
    let associated: [&[u8]; 4] = [b"session store value", kind.as_bytes(), key.as_bytes(), &moment(until)];
    let value = ring.open_bytes(&associated, sealed).map_err(|_| StoreError::Unreadable)?;
    Ok(Bytes::copy_from_slice(&value))
}

#[cfg(test)]
mod tests;
