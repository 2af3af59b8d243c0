//! The one connection that all callers share, replaced when it or its server is no longer good.
//!
//! Owns when a connection is dropped, who opens the next one and how long anybody waits. A command is sent
//! again only where it cannot have been done: the server said so, or doing it twice is as doing it once.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, ErrorKind, FromRedisValue, PushInfo, PushKind, RedisError, ServerErrorKind};

use super::RedisParts;
use super::primary::{Primary, Wire};
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::session::StoreError;

/// How long anybody waits for Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// What one command may take. A healthy server answers in well under a millisecond; a request behind which a
    /// user waits has no more to give to one that is not.
    pub command: Duration,
    /// What finding the primary and opening a connection may take, TLS and login included. A frozen server
    /// accepts connections and answers nothing.
    pub open: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { command: Duration::from_millis(300), open: Duration::from_secs(1) }
    }
}

/// After a failure nobody tries before this has passed and up to four times it more: replicas that lost one server
/// must not all come back to it in the same instant.
const PAUSE: Duration = Duration::from_millis(50);

/// How often one command is sent at the most.
const MOST_SENDINGS: usize = 3;

/// What it means to ask twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A read: as often as one likes.
    Harmless,
    /// It may have been done though no answer came: never.
    Never,
}

/// Why there is no connection, as everybody who waited for it is told.
#[derive(Debug, Clone, thiserror::Error)]
enum OpenError {
    #[error("no connection to Redis")]
    Refused(#[source] RedisError),
    #[error("no connection to Redis within {0:?}")]
    TooSlow(Duration),
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("Redis refused or broke off")]
    Failed(#[source] RedisError),
    #[error("no answer from Redis within {0:?}")]
    TooSlow(Duration),
}

/// The connection in use.
#[derive(Default)]
struct Current {
    /// Counts connections, so that a late failure of an old one does not cost a new one.
    number: u64,
    wire: Option<Wire>,
}

/// Shared with the connection itself, which tells when it ends.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Current>>);

impl Slot {
    fn get(&self) -> Option<(u64, Wire)> {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.wire.clone().map(|wire| (current.number, wire))
    }

    fn put(&self, number: u64, wire: Wire) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Current { number, wire: Some(wire) };
    }

    fn drop_connection(&self, number: u64) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number == number {
            current.wire = None;
        }
    }
}

/// What is known of earlier attempts to open one. Held by whoever tries.
#[derive(Default)]
struct Attempts {
    number: u64,
    /// When the last one failed, with which pause, and why.
    failed: Option<(Instant, Duration, OpenError)>,
    /// Whether the last failure has been written to the log: once an outage.
    told: bool,
}

/// Sends commands to whoever is the primary.
pub(super) struct Connection {
    primary: Primary,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    deadlines: Deadlines,
    slot: Slot,
    /// How often opening one has failed.
    failures: AtomicU64,
    attempts: tokio::sync::Mutex<Attempts>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    /// Opens nothing yet: the first command does.
    pub(super) fn new(primary: Primary, parts: &RedisParts) -> Self {
        Self {
            primary,
            clock: Arc::clone(&parts.clock),
            random: Arc::clone(&parts.random),
            deadlines: parts.deadlines,
            slot: Slot::default(),
            failures: AtomicU64::new(0),
            attempts: tokio::sync::Mutex::default(),
        }
    }

    /// Opens a connection if there is none; its number.
    pub(super) async fn open_number(&self) -> Result<u64, StoreError> {
        let connected = self.connected().await;
        connected.map(|(number, _)| number).map_err(|error| StoreError::Unavailable(error.into()))
    }

    /// Whether that connection is still the one in use.
    pub(super) fn is_in_use(&self, number: u64) -> bool {
        self.slot.get().is_some_and(|(current, _)| current == number)
    }

    /// Leaves that connection to be opened anew by whoever needs one.
    pub(super) fn give_up(&self, number: u64) {
        self.slot.drop_connection(number);
    }

    /// Sends a command; sends `instead` from then on where the server does not know the script that it names.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        command: &Cmd,
        instead: impl Fn() -> Option<Cmd>,
        repeat: Repeat,
    ) -> Result<T, StoreError> {
        let mut whole = None;
        let mut sendings = 0;
        loop {
            let (number, wire) = self.connected().await.map_err(|error| StoreError::Unavailable(error.into()))?;
            sendings += 1;
            let error = match self.send(whole.as_ref().unwrap_or(command), wire.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if ends_the_connection(&error, &wire) {
                self.slot.drop_connection(number);
            }
            let unknown = is_unknown_script(&error) && whole.is_none();
            if unknown {
                whole = instead();
            }
            let again = (unknown && whole.is_some()) || was_not_done(&error) || repeat == Repeat::Harmless;
            if !again || sendings == MOST_SENDINGS {
                return Err(StoreError::Unavailable(error.into()));
            }
        }
    }

    /// The connection in use, or a new one. One caller opens it; the others wait and get it, or the reason why
    /// there is none.
    async fn connected(&self) -> Result<(u64, Wire), OpenError> {
        if let Some(current) = self.slot.get() {
            return Ok(current);
        }
        let known = self.failures.load(Ordering::Acquire);
        let mut attempts = self.attempts.lock().await;
        if let Some(current) = self.slot.get() {
            return Ok(current);
        }
        if let Some((at, pause, error)) = &attempts.failed {
            // Somebody tried while this caller waited.
            if self.failures.load(Ordering::Acquire) != known {
                return Err(error.clone());
            }
            let left = pause.saturating_sub(self.clock.instant().saturating_duration_since(*at));
            tokio::time::sleep(left).await;
        }
        attempts.number += 1;
        let number = attempts.number;
        match self.open(number).await {
            Ok(wire) => {
                if attempts.failed.take().is_some() {
                    tracing::info!("Redis answers again");
                }
                attempts.told = false;
                self.slot.put(number, wire.clone());
                Ok((number, wire))
            }
            Err(error) => {
                if !attempts.told {
                    tracing::warn!(error = &error as &dyn std::error::Error, "Redis cannot be reached");
                }
                attempts.told = true;
                self.failures.fetch_add(1, Ordering::Release);
                attempts.failed = Some((self.clock.instant(), self.pause(), error.clone()));
                Err(error)
            }
        }
    }

    async fn open(&self, number: u64) -> Result<Wire, OpenError> {
        let slot = self.slot.clone();
        let pushed = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                slot.drop_connection(number);
            }
            Ok(())
        };
        let deadlines = self.deadlines;
        let opened = tokio::time::timeout(deadlines.open, self.primary.connect(deadlines, pushed)).await;
        opened.map_err(|_| OpenError::TooSlow(deadlines.open))?.map_err(OpenError::Refused)
    }

    async fn send<T: FromRedisValue>(&self, command: &Cmd, mut wire: Wire) -> Result<T, CommandError> {
        let deadline = self.deadlines.command;
        let answer = tokio::time::timeout(deadline, command.query_async(&mut wire)).await;
        answer.map_err(|_| CommandError::TooSlow(deadline))?.map_err(CommandError::Failed)
    }

    fn pause(&self) -> Duration {
        pause(&*self.random)
    }
}

/// A time between 50 and 250 ms.
pub(super) fn pause(random: &dyn Random) -> Duration {
    let mut byte = [0u8];
    random.fill(&mut byte);
    PAUSE + PAUSE * 4 * u32::from(byte[0]) / 255
}

fn kind(error: &CommandError) -> Option<ErrorKind> {
    match error {
        CommandError::Failed(error) => Some(error.kind()),
        CommandError::TooSlow(_) => None,
    }
}

/// Whether the next caller should look for the primary anew. The client of a Cluster mends single connections
/// by itself and goes on with the others; it is given up where it knows no node any more.
fn ends_the_connection(error: &CommandError, wire: &Wire) -> bool {
    let Some(kind) = kind(error) else { return matches!(wire, Wire::Single(_)) };
    match wire {
        Wire::Cluster(_) => kind == ErrorKind::ClusterConnectionNotFound,
        Wire::Single(_) => {
            matches!(kind, ErrorKind::Io | ErrorKind::Parse | ErrorKind::AuthenticationFailed) || is_no_primary(kind)
        }
    }
}

/// Whether the server said that it cannot serve as the primary, at least now. Then it did nothing.
pub(super) fn is_no_primary(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading)
    )
}

/// Whether the server itself said that it did nothing.
fn was_not_done(error: &CommandError) -> bool {
    let sent_on = |kind| {
        matches!(
            kind,
            ErrorKind::Server(
                ServerErrorKind::Moved
                    | ServerErrorKind::Ask
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
            )
        )
    };
    kind(error).is_some_and(|kind| is_no_primary(kind) || sent_on(kind))
}

fn is_unknown_script(error: &CommandError) -> bool {
    kind(error) == Some(ErrorKind::Server(ServerErrorKind::NoScript))
}
