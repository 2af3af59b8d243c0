//! The credentials that operations use up or show: made before the run, through the same front door.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::{HeaderValue, StatusCode, header};
use rand::SeedableRng;
use rand::distr::Distribution;
use rand::rngs::SmallRng;

use super::calls::Ready;
use super::mix::Chosen;
use crate::load::{self, Answer, Job, Pace, Plan, Progress, Watcher, Work};

/// A gateway keeps at most 50 sessions of a user by default; some are left for logins during the run.
const SESSIONS_A_CALLER: usize = 25;
/// Auth0 keeps 200 refresh tokens of a user and application (auth0-facts 1.4) and revokes the oldest then.
const REFRESH_TOKENS_A_CALLER: usize = 100;
/// Logins at once, before the run.
const LOGINS: usize = 8;
/// What has not come by then will not.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often a bearer is shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TokenUse {
    /// Sixteen tokens, over and over.
    Hot,
    /// `--pool` tokens, in random order.
    Many,
    /// `--pool` tokens, each once: nothing about it can be remembered. The run ends with them.
    Cold,
}

/// How many of each are made before the run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    /// Sessions that stay.
    pub sessions: usize,
    /// Bearers.
    pub bearers: usize,
    /// Refresh tokens.
    pub refresh_tokens: usize,
}

/// A credential and whose it is.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) caller: usize,
    pub(super) value: HeaderValue,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Credentials {
    pub(super) sessions: Vec<Held>,
    pub(super) bearers: Vec<Held>,
    pub(super) refresh_tokens: Mutex<VecDeque<Held>>,
    /// Sessions that were opened to be ended.
    pub(super) spare: Mutex<Vec<Held>>,
    pub(super) shown: AtomicUsize,
}

/// What a login is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Session,
    Bearer,
    RefreshToken,
}

impl Purpose {
    /// What its answer gives.
    pub(super) fn take(self, caller: usize, answer: &Answer) -> Option<Held> {
        let value = match self {
            Self::Session => session_cookie(answer)?,
            Self::Bearer => HeaderValue::from_str(&format!("Bearer {}", token(answer, ACCESS_TOKEN)?)).ok()?,
            Self::RefreshToken => HeaderValue::from_str(&token(answer, REFRESH_TOKEN)?).ok()?,
        };
        Some(Held { caller, value })
    }
}

/// Name and value of the session cookie that was set.
fn session_cookie(answer: &Answer) -> Option<HeaderValue> {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.filter_map(|text| text.split(';').next());
    let mut set = pairs.filter(|pair| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty()));
    HeaderValue::from_str(set.next()?).ok()
}

/// A member's name, and that by `token_response: camel_case`.
pub(super) type MemberNames = [&'static str; 2];
const ACCESS_TOKEN: MemberNames = ["access_token", "accessToken"];
pub(super) const REFRESH_TOKEN: MemberNames = ["refresh_token", "refreshToken"];

pub(super) fn token(answer: &Answer, names: MemberNames) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let member = names.into_iter().find_map(|name| body.get(name));
    Some(member?.as_str()?.to_owned())
}

/// Right for most.
pub(super) fn is_ok(answer: &Answer) -> bool {
    answer.status == StatusCode::OK
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Logs in until there is enough of each.
struct Fill {
    callers: Arc<Vec<Ready>>,
    logins: Mutex<VecDeque<(usize, Purpose)>>,
    filled: Arc<Mutex<Filled>>,
}

#[derive(Default)]
struct Filled {
    held: Vec<(Purpose, Held)>,
    refused: Option<String>,
}

impl Work for Fill {
    fn operations(&self) -> Vec<String> {
        vec!["login".to_owned()]
    }

    fn next(&self, _: &mut SmallRng) -> Option<Job> {
        if lock(&self.filled).refused.is_some() {
            return None;
        }
        let (caller, purpose) = lock(&self.logins).pop_front()?;
        let ready = self.callers.get(caller)?;
        let call = match purpose {
            Purpose::RefreshToken => ready.login_for_refresh_token(),
            _ => ready.login(),
        };
        let filled = Arc::clone(&self.filled);
        let then = move |answer: Option<&Answer>| {
            let mut filled = lock(&filled);
            match answer.map(|answer| (purpose.take(caller, answer), answer)) {
                Some((Some(held), _)) => filled.held.push((purpose, held)),
                Some((None, answer)) => filled.refused = Some(refusal(answer)),
                None => filled.refused = Some("there was no answer".to_owned()),
            }
        };
        Some(Job { operation: 0, call, is_right: is_ok, keeps_body: true, then: Some(Box::new(then)) })
    }
}

/// An answer that is no refusal may hold tokens, which are shown to nobody.
fn refusal(answer: &Answer) -> String {
    if answer.status.is_success() {
        return format!("{}, and not what was asked for", answer.status);
    }
    let body = String::from_utf8_lossy(&answer.body);
    let body: String = body.chars().take(300).collect();
    format!("{} {body}", answer.status)
}

struct Unwatched;

impl Watcher for Unwatched {
    fn round(&mut self, _: Option<usize>, _: &Progress) {}
    fn tick(&mut self, _: &Progress) {}
}

/// Makes what is needed, of callers drawn as the load draws them.
///
/// # Errors
/// Where a login does not give what it is for: what it answered instead.
pub(super) fn fill(
    plan: &Plan,
    callers: &Arc<Vec<Ready>>,
    needs: &[(Purpose, usize, Option<&Chosen>)],
) -> anyhow::Result<Credentials> {
    let mut random = SmallRng::seed_from_u64(plan.seed);
    let mut logins = VecDeque::new();
    for (purpose, wanted, chosen) in needs {
        let Some(chosen) = chosen.filter(|_| *wanted > 0) else { continue };
        let mut of_caller = vec![0; callers.len()];
        // Where few callers may have few sessions each, there are fewer than were asked for.
        for _ in 0..wanted * 8 {
            let caller = chosen.sample(&mut random);
            let most = match purpose {
                Purpose::Session => SESSIONS_A_CALLER,
                Purpose::RefreshToken => REFRESH_TOKENS_A_CALLER,
                Purpose::Bearer => usize::MAX,
            };
            let is_full = of_caller[caller] >= most;
            if !is_full && of_caller.iter().sum::<usize>() < *wanted {
                of_caller[caller] += 1;
                logins.push_back((caller, *purpose));
            }
        }
    }
    let filled = Arc::new(Mutex::new(Filled::default()));
    let work: Arc<dyn Work> =
        Arc::new(Fill { callers: Arc::clone(callers), logins: Mutex::new(logins), filled: Arc::clone(&filled) });
    let filling = Plan {
        pace: Pace::Closed,
        connections: LOGINS,
        streams: 1,
        threads: 1,
        warm_up: Duration::ZERO,
        round: PATIENCE,
        rounds: 1,
        ..plan.clone()
    };
    load::run(&filling, &work, &mut Unwatched).context("the logins before the run")?;
    let Filled { held, refused } = std::mem::take(&mut *lock(&filled));
    if let Some(refused) = refused {
        bail!("a login before the run was refused: {refused}");
    }
    let mut credentials = Credentials::default();
    for (purpose, held) in held {
        match purpose {
            Purpose::Session => credentials.sessions.push(held),
            Purpose::Bearer => credentials.bearers.push(held),
            Purpose::RefreshToken => lock(&credentials.refresh_tokens).push_back(held),
        }
    }
    Ok(credentials)
}

impl Credentials {
    /// The next bearer by how they are used.
    pub(super) fn bearer(&self, token_use: TokenUse, draw: usize) -> Option<&Held> {
        match token_use {
            TokenUse::Cold => self.bearers.get(self.shown.fetch_add(1, Ordering::Relaxed)),
            TokenUse::Hot | TokenUse::Many => self.bearers.get(draw % self.bearers.len().max(1)),
        }
    }
}
