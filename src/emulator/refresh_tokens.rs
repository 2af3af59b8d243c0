//! Refresh tokens: reusable or rotating, with reuse detection, overlap and family kill
//! (auth0-facts 1.4).
//!
//! A token carries its family and generation under a keyed tag, so one record a family is kept and
//! a replay is recognised however old it is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::world::RotationMode;
use crate::base::digest::{Digest, MacKey, equal_in_constant_time};
use crate::base::random::Random;
use crate::oauth::scope::Scopes;

/// What a refresh token stands for.
#[derive(Debug, Clone)]
pub(super) struct RefreshGrant {
    /// The client it was issued to.
    pub(super) client_id: String,
    /// The user's `sub`.
    pub(super) subject: String,
    /// What was granted at login; a refresh may ask for less.
    pub(super) scope: Scopes,
    /// The API, if one was asked for at login.
    pub(super) audience: Option<String>,
    /// The organization of the login.
    pub(super) organization: Option<String>,
}

/// One presented refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshEvent {
    /// When.
    pub at: Timestamp,
    /// SHA-256 of the token presented.
    pub token: Digest,
    /// Who presented it.
    pub client_id: String,
    /// What came of it.
    pub outcome: RefreshOutcome,
}

/// What came of a presented refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshOutcome {
    /// A reusable token was used, and stays.
    Reused,
    /// The newest of its family was replaced.
    Rotated,
    /// The one before the newest, within the overlap: another new one was issued.
    Overlap,
    /// **Reuse outside the overlap: the family was killed.**
    ReuseDetected,
    /// Never issued here, or for another client.
    Unknown,
    /// Its family was killed, revoked, outlived or pushed out before.
    Dead,
    /// The token was good, the request was not (scope, user gone or blocked): nothing was replaced.
    Refused,
}

/// Why a refresh token was not taken.
#[derive(Debug)]
pub(super) enum ExchangeError<E> {
    /// "Unknown or invalid refresh token."
    Invalid,
    /// The caller's own check said no.
    Refused(E),
}

/// What an exchange needs to know besides the token.
pub(super) struct Exchange<'a> {
    /// The token presented.
    pub(super) token: &'a str,
    /// The client that presents it.
    pub(super) client_id: &'a str,
    /// What that client's tokens do.
    pub(super) rotation: RotationMode,
    /// How long a family lives from its login; rotation does not extend it.
    pub(super) lifetime: Duration,
    /// Now.
    pub(super) now: Timestamp,
}

/// The refresh tokens of one tenant.
pub(super) struct RefreshTokens {
    mac: MacKey,
    random: Arc<dyn Random>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    families: HashMap<FamilyId, Family>,
    /// The families of each (user, client), oldest first.
    by_owner: HashMap<(String, String), VecDeque<FamilyId>>,
    log: VecDeque<RefreshEvent>,
    violations: u64,
}

type FamilyId = [u8; 12];

struct Family {
    grant: RefreshGrant,
    created: Timestamp,
    /// The generation of the newest tokens.
    newest: u32,
    /// When the newest generation came to be.
    rotated: Timestamp,
}

struct Parsed {
    family: FamilyId,
    generation: u32,
}

/// Enough for every test to see all of its own; the oldest go first.
const LOGGED: usize = 10_000;

impl RefreshTokens {
    /// None yet.
    pub(super) fn new(random: Arc<dyn Random>) -> Self {
        let mut key = [0u8; 32];
        random.fill(&mut key);
        Self { mac: MacKey::new(&key), random, state: Mutex::default() }
    }

    /// Starts a family and returns its first token. Of more than `most` live families of this user
    /// at this client the oldest is dropped.
    pub(super) fn issue(&self, grant: RefreshGrant, now: Timestamp, most: Option<usize>) -> String {
        let mut id = FamilyId::default();
        self.random.fill(&mut id);
        let mut state = self.lock();
        let owner = (grant.subject.clone(), grant.client_id.clone());
        let families = state.by_owner.entry(owner).or_default();
        families.push_back(id);
        let surplus = most.map_or(0, |most| families.len().saturating_sub(most));
        let dropped: Vec<FamilyId> = families.drain(..surplus).collect();
        for old in &dropped {
            state.families.remove(old);
        }
        state.families.insert(id, Family { grant, created: now, newest: 0, rotated: now });
        drop(state);
        self.encode(id, 0)
    }

    /// Takes a token, if `check` agrees with what it stands for; returns that, what `check` made of
    /// it and, from a rotating client, the token that replaces this one.
    ///
    /// `check` runs under the lock after reuse detection and before the rotation, so that a request
    /// refused for its scope costs no token. It must not come back here.
    pub(super) fn exchange<T, E>(
        &self,
        exchange: &Exchange<'_>,
        check: impl FnOnce(&RefreshGrant) -> Result<T, E>,
    ) -> Result<(T, RefreshGrant, Option<String>), ExchangeError<E>> {
        let mut state = self.lock();
        let Some(parsed) = self.decode(exchange.token) else {
            return state.refuse(exchange, RefreshOutcome::Unknown);
        };
        let (grant, outcome) = match state.judge(&parsed, exchange) {
            Ok(judged) => judged,
            Err(outcome) => return state.refuse(exchange, outcome),
        };
        let checked = match check(&grant) {
            Ok(checked) => checked,
            Err(error) => {
                state.note(exchange, RefreshOutcome::Refused);
                return Err(ExchangeError::Refused(error));
            }
        };
        let generation = state.advance(&parsed, outcome, exchange.now);
        state.note(exchange, outcome);
        drop(state);
        let replacement = (outcome != RefreshOutcome::Reused).then(|| self.encode(parsed.family, generation));
        Ok((checked, grant, replacement))
    }

    /// Ends the token's family, if it is this client's. Says whether there was one.
    pub(super) fn revoke(&self, token: &str, client_id: &str) -> bool {
        let Some(parsed) = self.decode(token) else { return false };
        let mut state = self.lock();
        let ours = state.families.get(&parsed.family).is_some_and(|family| family.grant.client_id == client_id);
        if ours {
            state.kill(parsed.family);
        }
        ours
    }

    /// Every token presented, oldest first, the last 10,000.
    pub(super) fn log(&self) -> Vec<RefreshEvent> {
        self.lock().log.iter().cloned().collect()
    }

    /// How many presented tokens were reuse outside the overlap; each killed its family.
    pub(super) fn violations(&self) -> u64 {
        self.lock().violations
    }

    /// How many families live.
    pub(super) fn families(&self) -> usize {
        self.lock().families.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `v1.` and family, generation, four random bytes that tell siblings apart, tag.
    fn encode(&self, family: FamilyId, generation: u32) -> String {
        let mut bytes = Vec::with_capacity(36);
        bytes.extend_from_slice(&family);
        bytes.extend_from_slice(&generation.to_be_bytes());
        let mut salt = [0u8; 4];
        self.random.fill(&mut salt);
        bytes.extend_from_slice(&salt);
        let tag = self.mac.tag(&bytes);
        bytes.extend_from_slice(&tag.as_bytes()[..16]);
        format!("v1.{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn decode(&self, token: &str) -> Option<Parsed> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("v1.")?).ok()?;
        let (body, tag) = bytes.split_at_checked(20)?;
        if !equal_in_constant_time(&self.mac.tag(body).as_bytes()[..16], tag) {
            return None;
        }
        let family = body.first_chunk().copied()?;
        let generation = body.get(12..16)?.first_chunk().copied().map(u32::from_be_bytes)?;
        Some(Parsed { family, generation })
    }
}

impl State {
    /// Whether the token counts, and as what. Reuse kills the family here and now.
    fn judge(
        &mut self,
        parsed: &Parsed,
        exchange: &Exchange<'_>,
    ) -> Result<(RefreshGrant, RefreshOutcome), RefreshOutcome> {
        let family = self.families.get(&parsed.family).ok_or(RefreshOutcome::Dead)?;
        if family.grant.client_id != exchange.client_id {
            return Err(RefreshOutcome::Unknown);
        }
        if later(family.created, exchange.lifetime) <= exchange.now {
            self.kill(parsed.family);
            return Err(RefreshOutcome::Dead);
        }
        let outcome = match exchange.rotation {
            RotationMode::Reusable if parsed.generation == family.newest => RefreshOutcome::Reused,
            RotationMode::Rotating { .. } if parsed.generation == family.newest => RefreshOutcome::Rotated,
            RotationMode::Rotating { leeway }
                if parsed.generation + 1 == family.newest && exchange.now < later(family.rotated, leeway) =>
            {
                RefreshOutcome::Overlap
            }
            _ => {
                self.violations += 1;
                self.kill(parsed.family);
                return Err(RefreshOutcome::ReuseDetected);
            }
        };
        Ok((family.grant.clone(), outcome))
    }

    /// The generation of the token to answer with.
    fn advance(&mut self, parsed: &Parsed, outcome: RefreshOutcome, now: Timestamp) -> u32 {
        let Some(family) = self.families.get_mut(&parsed.family) else { return parsed.generation };
        if outcome == RefreshOutcome::Rotated {
            family.newest += 1;
            family.rotated = now;
        }
        family.newest
    }

    fn kill(&mut self, id: FamilyId) {
        let Some(family) = self.families.remove(&id) else { return };
        let owner = (family.grant.subject, family.grant.client_id);
        if let Some(families) = self.by_owner.get_mut(&owner) {
            families.retain(|have| *have != id);
            if families.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
    }

    fn refuse<T, E>(&mut self, exchange: &Exchange<'_>, outcome: RefreshOutcome) -> Result<T, ExchangeError<E>> {
        self.note(exchange, outcome);
        Err(ExchangeError::Invalid)
    }

    fn note(&mut self, exchange: &Exchange<'_>, outcome: RefreshOutcome) {
        if self.log.len() == LOGGED {
            self.log.pop_front();
        }
        let client_id = exchange.client_id.to_owned();
        self.log.push_back(RefreshEvent { at: exchange.now, token: Digest::of(exchange.token), client_id, outcome });
    }
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}
