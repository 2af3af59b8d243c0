//! Logins in a browser: those under way, the codes they yield, and the sessions that a browser has at a tenant.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// What `/authorize` was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scope: String,
    pub(super) audience: Option<String>,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: Option<String>,
    /// The visitor's to edit, as at Auth0.
    pub(super) connection: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) max_age: Option<i64>,
    pub(super) acr_values: Option<String>,
}

/// A login whose visitor is at the page.
#[derive(Debug, Clone)]
pub(super) struct UnderWay {
    pub(super) asked: Asked,
    /// Whose password was right; the second factor is still to come.
    pub(super) proven: Option<Proven>,
}

/// Who logged in.
#[derive(Debug, Clone)]
pub(super) struct Proven {
    pub(super) subject: String,
    pub(super) connection: String,
    /// Whether by two factors.
    pub(super) factors: Factors,
}

/// How somebody logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Factors {
    One,
    Two,
}

/// A browser's session at the tenant.
#[derive(Debug, Clone)]
pub(super) struct BrowserSession {
    /// What applications know it by.
    pub(super) sid: String,
    pub(super) proven: Proven,
    pub(super) at: Timestamp,
}

/// A code, until it is redeemed.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) asked: Asked,
    pub(super) session: BrowserSession,
}

/// A visitor may take so long, and a code lives so long.
const LIFETIME: Duration = Duration::from_secs(600);

/// More of each are not kept; the oldest goes.
const MOST: usize = 10_000;

/// All of a tenant.
#[derive(Debug, Default)]
pub(super) struct Logins {
    under_way: Mutex<Kept<String, UnderWay>>,
    codes: Mutex<Kept<String, Code>>,
    sessions: Mutex<Kept<String, BrowserSession>>,
}

#[derive(Debug)]
struct Kept<K, V>(HashMap<K, (Timestamp, V)>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone, V> Kept<K, V> {
    fn put(&mut self, key: K, value: V, now: Timestamp) {
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(key, (now, value));
    }
}

fn fresh<V>((at, value): (Timestamp, V), now: Timestamp) -> Option<V> {
    let ends = at.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
    (now < ends).then_some(value)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Logins {
    /// Keeps a login under way.
    pub(super) fn begin(&self, id: String, login: UnderWay, now: Timestamp) {
        lock(&self.under_way).put(id, login, now);
    }

    /// The login of a page.
    pub(super) fn under_way(&self, id: &str, now: Timestamp) -> Option<UnderWay> {
        fresh(lock(&self.under_way).0.get(id).cloned()?, now)
    }

    /// The login of a page is over.
    pub(super) fn finish(&self, id: &str) {
        lock(&self.under_way).0.remove(id);
    }

    /// Keeps a code.
    pub(super) fn issue(&self, code: String, what: Code, now: Timestamp) {
        lock(&self.codes).put(code, what, now);
    }

    /// A code's login. A code that was looked at is used up, whatever comes of it.
    pub(super) fn redeem(&self, code: &str, now: Timestamp) -> Option<Code> {
        fresh(lock(&self.codes).0.remove(code)?, now)
    }

    /// A browser has a session now.
    pub(super) fn open(&self, id: String, session: BrowserSession) {
        let now = session.at;
        lock(&self.sessions).put(id, session, now);
    }

    /// A browser's session.
    pub(super) fn session(&self, id: &str) -> Option<BrowserSession> {
        lock(&self.sessions).0.get(id).map(|(_, session)| session.clone())
    }

    /// A browser's session is over.
    pub(super) fn close(&self, id: &str) {
        lock(&self.sessions).0.remove(id);
    }
}
