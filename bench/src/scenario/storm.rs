//! Many refreshes of one session at once, as the tabs of a browser that wakes up.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use futures_util::future::join_all;
use http::StatusCode;
use rand::SeedableRng;
use rand::distr::Distribution;
use rand::rngs::SmallRng;

use super::Operation;
use super::calls::Ready;
use super::mix::Chosen;
use super::pools::{Held, Purpose};
use crate::callers::Caller;
use crate::clock;
use crate::load::{Endpoint, Operation as Measured, Plan, Recorder, Sender, connect};

/// How it blows.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// Refreshes at once.
    pub callers: usize,
    /// How often, each time of a new session.
    pub storms: usize,
    /// Over whose sessions they are.
    pub zipf: f64,
}

impl Storm {
    /// Lets it blow; a round a storm.
    ///
    /// # Errors
    /// Where no session can be had or no connection comes about.
    pub fn run(self, plan: &Plan, callers: &[Caller], after_each: &mut dyn FnMut(usize)) -> anyhow::Result<Recorder> {
        let chosen = Chosen::of(callers, Operation::UserinfoSession, self.zipf);
        let chosen = chosen.context("no caller has sessions")?;
        let ready = callers.iter().map(Ready::new).collect::<anyhow::Result<Vec<_>>>()?;
        let mut random = SmallRng::seed_from_u64(plan.seed);
        let mut recorder = Recorder::new(vec!["refresh of one session".to_owned()], self.storms);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connecting = (0..self.callers.max(1)).map(|_| connect(&plan.endpoint));
        let senders = runtime.block_on(join_all(connecting)).into_iter().collect::<std::io::Result<Vec<_>>>();
        let mut senders = senders.context("as many connections as refreshes")?;
        for storm in 0..self.storms {
            let caller = chosen.sample(&mut random);
            let ready = ready.get(caller).context("a caller that was drawn")?;
            let first = senders.first_mut().context("at least one connection")?;
            let session = runtime.block_on(login(first, &plan.endpoint, (caller, ready)))?;
            let measured = runtime.block_on(blow(&mut senders, &plan.endpoint, (ready, &session)));
            if let Some(round) = recorder.rounds.get_mut(storm).and_then(|round| round.operations.first_mut()) {
                round.add(&measured);
            }
            after_each(storm);
        }
        Ok(recorder)
    }
}

async fn login(sender: &mut Sender, endpoint: &Endpoint, (caller, ready): (usize, &Ready)) -> anyhow::Result<Held> {
    let answer = sender.send(ready.login(), endpoint.tls.is_some(), true).await?;
    match Purpose::Session.take(caller, &answer) {
        Some(held) => Ok(held),
        None => bail!("a login gave no session: {}", answer.status),
    }
}

async fn blow(senders: &mut [Sender], endpoint: &Endpoint, (ready, session): (&Ready, &Held)) -> Measured {
    let start = clock::now();
    let refreshing = senders.iter_mut().map(async |sender| {
        let answer = sender.send(ready.renew_session(&session.value), endpoint.tls.is_some(), false).await;
        (clock::now().saturating_duration_since(start), answer)
    });
    let mut measured = Measured::default();
    for (taken, answer) in join_all(refreshing).await {
        measured.latency.saturating_record(clock::nanoseconds(taken));
        match answer {
            Ok(answer) => {
                *measured.statuses.entry(answer.status.as_u16()).or_default() += 1;
                if answer.status != StatusCode::OK {
                    *measured.failures.entry(format!("wrong answer {}", answer.status.as_u16())).or_default() += 1;
                }
            }
            Err(_) => *measured.failures.entry("connection lost".to_owned()).or_default() += 1,
        }
    }
    measured
}

/// How many refresh grants the emulated Auth0 has seen, over all tenants of these names.
///
/// # Errors
/// Where it does not say.
pub fn refreshes_upstream(emulator: std::net::SocketAddr, tenants: &[Arc<str>]) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let endpoint = Endpoint { address: emulator, tls: None, http2: false };
        let mut sender = connect(&endpoint).await?;
        let mut sum = 0;
        for tenant in tenants {
            let call = super::calls::get(&format!("/{tenant}/_emulator/calls"), &emulator.to_string());
            let answer = sender.send(call, false, true).await?;
            let calls: serde_json::Value = serde_json::from_slice(&answer.body)?;
            sum += calls.get("refreshes").and_then(serde_json::Value::as_u64).unwrap_or_default();
        }
        Ok(sum)
    })
}
