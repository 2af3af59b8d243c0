//! What a tenant waits for: devices, one-time passwords, second factors, pushed requests (auth0-facts 1.4, 1.11).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::issue::Login;

/// A device code lives so long, and may be polled so often (RFC 8628 §3.2).
pub(super) const DEVICE_LIFETIME: Duration = Duration::from_secs(900);
pub(super) const DEVICE_INTERVAL: Duration = Duration::from_secs(5);

/// An `mfa_token` lives so long.
const MFA_LIFETIME: Duration = Duration::from_secs(600);

/// A pushed request lives so long.
pub(super) const PUSHED_LIFETIME: Duration = Duration::from_secs(30);

/// Wrong one-time passwords before one is burned.
const MOST_TRIES: u32 = 3;

/// More of each kind are not kept; then all go, which no test comes near.
const MOST: usize = 10_000;

/// A device that polls.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) user_code: String,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) audience: Option<String>,
    pub(super) at: Timestamp,
    pub(super) polled: Option<Timestamp>,
    /// Who said yes.
    pub(super) subject: Option<String>,
}

/// What came of a poll.
#[derive(Debug)]
pub(super) enum Poll {
    /// Nobody said yes yet.
    Pending,
    /// Sooner than the interval allows.
    TooSoon,
    /// Too late; told once.
    Expired,
    /// No such code, or another client's.
    Unknown,
    /// Somebody said yes.
    Confirmed(Device),
}

/// What came of a one-time password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    Right,
    /// Or none was sent.
    Wrong,
    /// Too many wrong ones before.
    Burned,
}

/// A login that wants a second factor.
#[derive(Debug, Clone)]
pub(super) struct SecondFactor {
    pub(super) client_id: String,
    pub(super) login: Login,
    at: Timestamp,
}

/// Why an `mfa_token` opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MfaToken {
    Malformed,
    Expired,
}

/// What a user shows as a second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authenticator {
    pub(super) id: String,
    /// `otp` or `oob`.
    pub(super) kind: &'static str,
}

/// All of a tenant.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    devices: HashMap<String, Device>,
    /// By e-mail or phone number: the password, and how often a wrong one was tried.
    one_time_passwords: HashMap<String, (String, u32)>,
    second_factors: HashMap<String, SecondFactor>,
    /// By `sub`.
    authenticators: HashMap<String, Vec<Authenticator>>,
    /// By `oob_code`: whose it is, and whether the user said yes.
    channels: HashMap<String, (String, bool)>,
    recovery_codes: HashMap<String, String>,
    pushed: HashMap<String, (Timestamp, String)>,
}

fn put<V>(map: &mut HashMap<String, V>, key: String, value: V) {
    if map.len() >= MOST {
        map.clear();
    }
    map.insert(key, value);
}

fn is_over(at: Timestamp, lifetime: Duration, now: Timestamp) -> bool {
    now >= at.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A device begins to poll.
    pub(super) fn begin_device(&self, code: String, device: Device) {
        put(&mut self.lock().devices, code, device);
    }

    /// Somebody says yes to the device that shows this code.
    pub(super) fn confirm_device(&self, user_code: &str, subject: &str) -> bool {
        let mut inner = self.lock();
        let device = inner.devices.values_mut().find(|device| device.user_code == user_code);
        device.is_some_and(|device| {
            device.subject = Some(subject.to_owned());
            true
        })
    }

    /// A device polls.
    pub(super) fn poll(&self, code: &str, client_id: &str, now: Timestamp) -> Poll {
        let mut inner = self.lock();
        let Some(device) = inner.devices.get_mut(code).filter(|device| device.client_id == client_id) else {
            return Poll::Unknown;
        };
        let polled = device.polled.replace(now);
        if is_over(device.at, DEVICE_LIFETIME, now) {
            inner.devices.remove(code);
            return Poll::Expired;
        }
        if polled.is_some_and(|at| !is_over(at, DEVICE_INTERVAL, now)) {
            return Poll::TooSoon;
        }
        if device.subject.is_none() {
            return Poll::Pending;
        }
        inner.devices.remove(code).map_or(Poll::Unknown, Poll::Confirmed)
    }

    /// Sends a one-time password.
    pub(super) fn send_password(&self, to: &str, password: String) {
        put(&mut self.lock().one_time_passwords, to.to_lowercase(), (password, 0));
    }

    /// The one that was sent last.
    pub(super) fn password(&self, to: &str) -> Option<String> {
        self.lock().one_time_passwords.get(&to.to_lowercase()).map(|(password, _)| password.clone())
    }

    /// Tries one; the right one is used up.
    pub(super) fn try_password(&self, to: &str, password: &str) -> Tried {
        let mut inner = self.lock();
        let Some((right, tries)) = inner.one_time_passwords.get_mut(&to.to_lowercase()) else { return Tried::Wrong };
        if *tries >= MOST_TRIES {
            return Tried::Burned;
        }
        if right == password {
            inner.one_time_passwords.remove(&to.to_lowercase());
            return Tried::Right;
        }
        *tries += 1;
        Tried::Wrong
    }

    /// A login wants a second factor.
    pub(super) fn want_factor(&self, token: String, client_id: String, login: Login, now: Timestamp) {
        put(&mut self.lock().second_factors, token, SecondFactor { client_id, login, at: now });
    }

    /// The login of an `mfa_token`.
    pub(super) fn second_factor(&self, token: &str, now: Timestamp) -> Result<SecondFactor, MfaToken> {
        let inner = self.lock();
        let found = inner.second_factors.get(token).ok_or(MfaToken::Malformed)?;
        if is_over(found.at, MFA_LIFETIME, now) { Err(MfaToken::Expired) } else { Ok(found.clone()) }
    }

    /// An `mfa_token` is used up; of two that show the right factor at once, one gets the login.
    pub(super) fn end_factor(&self, token: &str) -> bool {
        self.lock().second_factors.remove(token).is_some()
    }

    /// What a user has; the first look at one gives it a one-time password.
    pub(super) fn authenticators(&self, subject: &str) -> Vec<Authenticator> {
        let first = || vec![Authenticator { id: "totp|dev_first".to_owned(), kind: "otp" }];
        self.lock().authenticators.entry(subject.to_owned()).or_insert_with(first).clone()
    }

    /// One more, or one less.
    pub(super) fn set_authenticators(&self, subject: &str, all: Vec<Authenticator>) {
        put(&mut self.lock().authenticators, subject.to_owned(), all);
    }

    /// A message went out over a second channel.
    pub(super) fn open_channel(&self, oob_code: String, subject: &str) {
        put(&mut self.lock().channels, oob_code, (subject.to_owned(), false));
    }

    /// The user says yes to it.
    pub(super) fn confirm_channel(&self, oob_code: &str) -> bool {
        self.lock().channels.get_mut(oob_code).map(|(_, confirmed)| *confirmed = true).is_some()
    }

    /// Whether the user said yes; `None`: no such message to this user.
    pub(super) fn channel(&self, oob_code: &str, subject: &str) -> Option<bool> {
        self.lock().channels.get(oob_code).filter(|(of, _)| of == subject).map(|(_, confirmed)| *confirmed)
    }

    /// A message is used up.
    pub(super) fn close_channel(&self, oob_code: &str) {
        self.lock().channels.remove(oob_code);
    }

    /// The user's recovery code.
    pub(super) fn recovery_code(&self, subject: &str) -> Option<String> {
        self.lock().recovery_codes.get(subject).cloned()
    }

    /// A fresh one.
    pub(super) fn set_recovery_code(&self, subject: &str, code: String) {
        put(&mut self.lock().recovery_codes, subject.to_owned(), code);
    }

    /// Keeps a pushed request.
    pub(super) fn push(&self, request_uri: String, query: String, now: Timestamp) {
        put(&mut self.lock().pushed, request_uri, (now, query));
    }

    /// The query of a pushed request, once.
    pub(super) fn take_pushed(&self, request_uri: &str, now: Timestamp) -> Option<String> {
        let (at, query) = self.lock().pushed.remove(request_uri)?;
        (!is_over(at, PUSHED_LIFETIME, now)).then_some(query)
    }
}
