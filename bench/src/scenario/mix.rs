//! Operations drawn by weight, callers drawn by weight and Zipf's law.

use std::sync::Arc;

use anyhow::ensure;
use http::{HeaderValue, StatusCode};
use rand::RngExt;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::SmallRng;

use super::calls::Ready;
use super::pools::{Credentials, Held, Needs, Purpose, REFRESH_TOKEN, TokenUse, fill, is_ok, lock, token};
use super::{Operation, Weights};
use crate::callers::Caller;
use crate::load::{Answer, Job, Plan, Work};

/// Some of the callers, each as often as it calls.
#[derive(Debug)]
pub struct Chosen {
    places: Vec<usize>,
    by_weight: WeightedIndex<f64>,
}

impl Chosen {
    /// Those who can do the operation. The first counts fully, the `k`th by `k^-zipf`; `None`: nobody can.
    pub fn of(callers: &[Caller], operation: Operation, zipf: f64) -> Option<Self> {
        let able = callers.iter().enumerate().filter(|(_, caller)| operation.suits(caller) && caller.weight > 0.0);
        let places: Vec<usize> = able.map(|(place, _)| place).collect();
        let weights = places.iter().enumerate().map(|(rank, place)| {
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 callers")]
            let rank = (rank + 1) as f64;
            callers.get(*place).map_or(0.0, |caller| caller.weight) / rank.powf(zipf)
        });
        let by_weight = WeightedIndex::new(weights).ok()?;
        Some(Self { places, by_weight })
    }
}

impl Distribution<usize> for Chosen {
    fn sample<R: rand::Rng + ?Sized>(&self, random: &mut R) -> usize {
        self.places.get(self.by_weight.sample(random)).copied().unwrap_or_default()
    }
}

/// The callers, with nobody logging in to sessions beside those that are read: a gateway keeps some fifty of a user, and
/// each login more would end one of them. `None`: it does not matter for the operation.
fn without_new_sessions(callers: &[Caller], operation: Operation, weights: &Weights) -> Option<Vec<Caller>> {
    let reads_sessions = weights.0.iter().any(|(one, weight)| *one == Operation::UserinfoSession && *weight > 0.0);
    let silenced =
        |caller: &Caller| Caller { weight: if caller.session { 0.0 } else { caller.weight }, ..caller.clone() };
    (reads_sessions && operation == Operation::Password).then(|| callers.iter().map(silenced).collect())
}

/// How credentials are used.
#[derive(Debug, Clone, Copy)]
pub struct Uses {
    /// Over callers; 0: all alike.
    pub zipf: f64,
    /// Over bearers.
    pub tokens: TokenUse,
    /// How many sessions, bearers and refresh tokens are made before the run.
    pub pool: usize,
}

/// The work of all scenarios but `storm`.
#[derive(Debug)]
pub struct Mix {
    operations: Vec<(Operation, Chosen)>,
    by_weight: WeightedIndex<f64>,
    callers: Arc<Vec<Ready>>,
    credentials: Arc<Credentials>,
    tokens: TokenUse,
    has_logins: bool,
}

impl Mix {
    /// Makes what the operations need and is ready to run.
    ///
    /// # Errors
    /// Where no caller can do an operation, or a login before the run fails.
    pub fn prepare(plan: &Plan, callers: &[Caller], weights: &Weights, uses: Uses) -> anyhow::Result<Self> {
        let mut operations = Vec::new();
        for (operation, _) in &weights.0 {
            let chosen = without_new_sessions(callers, *operation, weights)
                .and_then(|callers| Chosen::of(&callers, *operation, uses.zipf))
                .or_else(|| Chosen::of(callers, *operation, uses.zipf));
            ensure!(chosen.is_some(), "no caller can do `{operation}`: see its `grants` and `session`");
            operations.extend(chosen.map(|chosen| (*operation, chosen)));
        }
        let by_weight = WeightedIndex::new(weights.0.iter().map(|(_, weight)| *weight))?;
        let ready = callers.iter().map(Ready::new).collect::<anyhow::Result<Vec<_>>>()?;
        let ready = Arc::new(ready);
        let of = |operation| operations.iter().find(|(one, _)| *one == operation).map(|(_, chosen)| chosen);
        let needs = Needs::of(plan, uses);
        let credentials = fill(
            plan,
            &ready,
            &[
                (Purpose::Session, needs.sessions, of(Operation::UserinfoSession)),
                (Purpose::Bearer, needs.bearers, of(Operation::UserinfoBearer)),
                (Purpose::RefreshToken, needs.refresh_tokens, of(Operation::Refresh)),
            ],
        )?;
        let has_logins = of(Operation::Refresh).is_some() || of(Operation::Logout).is_some();
        let credentials = Arc::new(credentials);
        Ok(Self { operations, by_weight, callers: ready, credentials, tokens: uses.tokens, has_logins })
    }

    /// A login whose credential the operation needs: it is an operation of its own, the last.
    fn login(&self, caller: usize, purpose: Purpose) -> Option<Job> {
        let ready = self.callers.get(caller)?;
        let call = if purpose == Purpose::RefreshToken { ready.login_for_refresh_token() } else { ready.login() };
        let credentials = Arc::clone(&self.credentials);
        let then = move |answer: Option<&Answer>| {
            let held = answer.and_then(|answer| purpose.take(caller, answer));
            match purpose {
                Purpose::RefreshToken => lock(&credentials.refresh_tokens).extend(held),
                _ => lock(&credentials.spare).extend(held),
            }
        };
        let operation = self.operations.len();
        Some(Job { operation, call, is_right: is_ok, keeps_body: true, then: Some(Box::new(then)) })
    }

    fn refresh(&self, operation: usize, random: &mut SmallRng, chosen: &Chosen) -> Option<Job> {
        let held = lock(&self.credentials.refresh_tokens).pop_front();
        let Some(Held { caller, value }) = held else {
            return self.login(chosen.sample(random), Purpose::RefreshToken);
        };
        let call = self.callers.get(caller)?.refresh(value.to_str().ok()?);
        let credentials = Arc::clone(&self.credentials);
        let then = move |answer: Option<&Answer>| {
            let Some(answer) = answer.filter(|answer| is_ok(answer)) else { return };
            // Where none came, the one that was used stays good.
            let next = token(answer, REFRESH_TOKEN).and_then(|token| HeaderValue::from_str(&token).ok());
            lock(&credentials.refresh_tokens).push_back(Held { caller, value: next.unwrap_or(value) });
        };
        Some(Job { operation, call, is_right: is_ok, keeps_body: true, then: Some(Box::new(then)) })
    }

    fn logout(&self, operation: usize, random: &mut SmallRng, chosen: &Chosen) -> Option<Job> {
        let held = lock(&self.credentials.spare).pop();
        let Some(Held { caller, value }) = held else {
            return self.login(chosen.sample(random), Purpose::Session);
        };
        let call = self.callers.get(caller)?.logout(&value);
        let is_right = |answer: &Answer| answer.status == StatusCode::NO_CONTENT;
        Some(Job { operation, call, is_right, keeps_body: false, then: None })
    }
}

impl Needs {
    fn of(plan: &Plan, uses: Uses) -> Self {
        // Every request that may be under way needs a refresh token of its own.
        let under_way = plan.connections * plan.streams.max(1);
        let bearers = if uses.tokens == TokenUse::Hot { 16 } else { uses.pool };
        Self { sessions: uses.pool, bearers, refresh_tokens: uses.pool.max(2 * under_way) }
    }
}

impl Work for Mix {
    fn operations(&self) -> Vec<String> {
        let names = self.operations.iter().map(|(operation, _)| operation.to_string());
        names.chain(self.has_logins.then(|| "login before it".to_owned())).collect()
    }

    fn next(&self, random: &mut SmallRng) -> Option<Job> {
        let operation = self.by_weight.sample(random);
        let (kind, chosen) = self.operations.get(operation)?;
        let simple = |call| Some(Job { operation, call, is_right: is_ok, keeps_body: false, then: None });
        match kind {
            Operation::Password => simple(self.callers.get(chosen.sample(random))?.login()),
            Operation::ClientCredentials => simple(self.callers.get(chosen.sample(random))?.client_credentials()),
            Operation::UserinfoSession => {
                let sessions = &self.credentials.sessions;
                let held = sessions.get(random.random_range(0..sessions.len().max(1)))?;
                simple(self.callers.get(held.caller)?.userinfo_of_session(&held.value))
            }
            Operation::UserinfoBearer => {
                let draw = random.random_range(0..self.credentials.bearers.len().max(1));
                let held = self.credentials.bearer(self.tokens, draw)?;
                simple(self.callers.get(held.caller)?.userinfo_of_bearer(&held.value))
            }
            Operation::Authorize => {
                let call = self.callers.get(chosen.sample(random))?.authorize();
                let is_right = |answer: &Answer| answer.status == StatusCode::FOUND;
                Some(Job { operation, call, is_right, keeps_body: false, then: None })
            }
            Operation::Refresh => self.refresh(operation, random, chosen),
            Operation::Logout => self.logout(operation, random, chosen),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::{callers, population};

    #[test]
    fn zipf_draws_the_first_tenant_most() {
        let callers = callers::of_registry(&population::registry(10));
        let chosen = Chosen::of(&callers, Operation::UserinfoSession, 1.0).expect("cookie clients");
        let mut random = SmallRng::seed_from_u64(1);
        let mut drawn = vec![0; callers.len()];
        for _ in 0..10_000 {
            drawn[chosen.sample(&mut random)] += 1;
        }
        // 1 / H(10) = 0.341 for the first, a tenth of that for the last.
        assert!((3_200..3_650).contains(&drawn[0]), "{drawn:?}");
        assert!((270..420).contains(&drawn[27]), "{drawn:?}");
        assert!(drawn.iter().enumerate().all(|(place, count)| (*count > 0) == callers[place].session), "{drawn:?}");
    }

    #[test]
    fn nobody_logs_in_to_sessions_beside_those_that_are_read() {
        let callers = callers::of_registry(&population::registry(2));
        let weights: Weights = "userinfo-session,token-password".parse().expect("are weights");
        let silenced = without_new_sessions(&callers, Operation::Password, &weights).expect("it matters");
        assert!(silenced.iter().all(|caller| caller.session == (caller.weight == 0.0)));
        assert!(without_new_sessions(&callers, Operation::Logout, &weights).is_none());
        assert!(without_new_sessions(&callers, Operation::Password, &Weights::only(Operation::Password)).is_none());
    }

    #[test]
    fn nobody_is_chosen_for_what_nobody_can_do() {
        let mut callers = callers::of_registry(&population::registry(1));
        callers.retain(|caller| caller.client_type == "job");
        assert!(Chosen::of(&callers, Operation::UserinfoSession, 1.0).is_none());
        assert!(Chosen::of(&callers, Operation::ClientCredentials, 1.0).is_some());
    }
}
