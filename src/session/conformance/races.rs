//! The same promises with 32 callers at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::world::{Found, Verdict, World, ensure, equal, key};
use crate::base::random::SystemRandom;
use crate::base::secret::Secret;
use crate::session::{Replaced, Session, SessionId};

super::checks! {
    "of many who take a value one gets it" => take,
    "of many first callers one is the first" => first_time,
    "of many who ask for a lease one gets it" => lease,
    "no fence is handed out twice, however fast leases come and go" => fences,
    "of many replaces at one version one writes, and what it wrote stands" => replace,
    "of many who end a session one gets it" => end,
    "an end wins against every touch and replace under way" => end_wins,
    "many opens at once leave per_user sessions" => per_user,
}

const CALLERS: usize = 32;
/// A race that can be lost is tried so often.
const ROUNDS: usize = 16;

/// Runs `call` on so many tasks that start together; what each came back with.
async fn all_at_once<T, F>(world: &World, call: impl Fn(World, usize) -> F) -> Result<Vec<T>, Found>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Found>> + Send + 'static,
{
    let start = Arc::new(Barrier::new(CALLERS));
    let mut tasks = JoinSet::new();
    for number in 0..CALLERS {
        let (start, call) = (start.clone(), call(world.clone(), number));
        tasks.spawn(async move {
            start.wait().await;
            call.await
        });
    }
    let mut answers = Vec::with_capacity(CALLERS);
    while let Some(joined) = tasks.join_next().await {
        answers.push(joined.map_err(|error| Found(error.to_string()))??);
    }
    Ok(answers)
}

fn one(what: &str, found: usize) -> Verdict {
    equal(what, found, 1)
}

async fn take(world: World) -> Verdict {
    for _ in 0..ROUNDS {
        let key = key();
        world.store.put(key, Bytes::from_static(b"value"), world.at(1000)).await?;
        let taken = all_at_once(&world, |world, _| async move { Ok(world.store.take(key).await?) }).await?;
        one("takers", taken.iter().flatten().count())?;
    }
    Ok(())
}

async fn first_time(world: World) -> Verdict {
    for _ in 0..ROUNDS {
        let key = key();
        let call = |world: World, _| async move { Ok(world.store.first_time(key, world.at(1000)).await?) };
        one("first callers", all_at_once(&world, call).await?.iter().filter(|first| **first).count())?;
    }
    Ok(())
}

async fn lease(world: World) -> Verdict {
    for _ in 0..ROUNDS {
        let key = key();
        let call = |world: World, _| async move { Ok(world.store.lease(key, Duration::from_secs(1000)).await?) };
        one("holders", all_at_once(&world, call).await?.iter().flatten().count())?;
    }
    Ok(())
}

async fn fences(world: World) -> Verdict {
    let key = key();
    let call = |world: World, _| async move {
        let mut fences = Vec::new();
        for _ in 0..ROUNDS {
            if let Some(lease) = world.store.lease(key, Duration::from_secs(1000)).await? {
                fences.push(lease.fence);
                world.store.release(key, lease).await?;
            }
        }
        Ok(fences)
    };
    let mut fences = all_at_once(&world, call).await?.concat();
    let handed_out = fences.len();
    fences.sort_unstable();
    fences.dedup();
    ensure(handed_out > 0, "nobody got the lease")?;
    equal("different fences", fences.len(), handed_out)
}

async fn replace(world: World) -> Verdict {
    for _ in 0..ROUNDS {
        let (id, session) = world.opened("auth0|1").await?;
        let version = world.read(&id).await?.version;
        let call = |world: World, number: usize| {
            let (id, session) = (id.clone(), session.clone());
            async move {
                let session = Session { access_token: Secret::new(number.to_string()), ..session };
                Ok((number, world.store.replace(&id, version, session).await?))
            }
        };
        let answers = all_at_once(&world, call).await?;
        let writers: Vec<_> = answers.iter().filter(|(_, answer)| matches!(answer, Replaced::Done(_))).collect();
        one("writers", writers.len())?;
        let losers = answers.iter().filter(|(_, answer)| *answer == Replaced::Changed).count();
        equal("others told that it changed", losers, CALLERS - 1)?;
        let written = world.read(&id).await?.session.access_token;
        let wanted = writers.first().map(|(number, _)| number.to_string());
        equal("what stands", Some(written.expose().to_owned()), wanted)?;
    }
    Ok(())
}

async fn end(world: World) -> Verdict {
    for _ in 0..ROUNDS {
        let (id, _) = world.opened("auth0|1").await?;
        let call = |world: World, _| {
            let id = id.clone();
            async move { Ok(world.store.end(&id).await?) }
        };
        one("who got the session", all_at_once(&world, call).await?.iter().flatten().count())?;
    }
    Ok(())
}

async fn end_wins(world: World) -> Verdict {
    for _ in 0..ROUNDS {
        let (id, session) = world.opened("auth0|1").await?;
        let call = |world: World, number: usize| {
            let (id, session) = (id.clone(), session.clone());
            async move {
                match number {
                    0 => drop(world.store.end(&id).await?),
                    odd if odd % 2 == 1 => drop(world.store.touch(&id, world.at(5000)).await?),
                    _ => {
                        let version = world.store.read(&id).await?.map_or(1, |stored| stored.version);
                        world.store.replace(&id, version, session).await?;
                    }
                }
                Ok(())
            }
        };
        all_at_once(&world, call).await?;
        world.is_gone(&id).await?;
        equal("an end afterwards", world.store.end(&id).await?, None)?;
    }
    equal("the count", world.store.count().await?, 0)
}

async fn per_user(world: World) -> Verdict {
    let call = |world: World, _| async move {
        let session = world.sample("auth0|1");
        world.store.open(&SessionId::generate(&SystemRandom), session, 3).await?;
        Ok(())
    };
    all_at_once(&world, call).await?;
    equal("the count", world.store.count().await?, 3)
}
