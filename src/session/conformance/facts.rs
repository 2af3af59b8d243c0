//! First times, values given out once, shared results, and the sweep.

use bytes::Bytes;

use super::world::{Verdict, World, ensure, equal, key};
use crate::session::Lease;

super::checks! {
    "the first caller with a key is told so, every later one is not" => first_time_once,
    "a key's first time comes again after the first one's time, whatever later callers said" => first_time_again,
    "a value is given out once" => take_once,
    "a value is not given out after its time" => take_in_time,
    "a second value takes the first one's place" => put_replaces,
    "a shared result is shown to everyone until its time" => shared_until,
    "first times, values, leases and shared results have key spaces of their own" => key_spaces,
    "a sweep changes nothing that can be observed" => sweep_is_unseen,
}

async fn first_time_once(world: World) -> Verdict {
    let (one, other) = (key(), key());
    equal("the first call", world.store.first_time(one, world.at(1000)).await?, true)?;
    equal("the second call", world.store.first_time(one, world.at(1000)).await?, false)?;
    equal("another key's first call", world.store.first_time(other, world.at(1000)).await?, true)
}

async fn first_time_again(world: World) -> Verdict {
    let key = key();
    world.store.first_time(key, world.at(1000)).await?;
    world.pass(900);
    equal("a call before the time", world.store.first_time(key, world.at(9000)).await?, false)?;
    world.pass(200);
    equal("a call after the time", world.store.first_time(key, world.at(1000)).await?, true)
}

async fn take_once(world: World) -> Verdict {
    let (one, other) = (key(), key());
    equal("a key without a value", world.store.take(one).await?, None)?;
    world.store.put(one, Bytes::from_static(b"one"), world.at(1000)).await?;
    world.store.put(other, Bytes::new(), world.at(1000)).await?;
    equal("the first take", world.store.take(one).await?, Some(Bytes::from_static(b"one")))?;
    equal("the second take", world.store.take(one).await?, None)?;
    equal("an empty value", world.store.take(other).await?, Some(Bytes::new()))
}

async fn take_in_time(world: World) -> Verdict {
    let (early, late) = (key(), key());
    world.store.put(early, Bytes::from_static(b"value"), world.at(1000)).await?;
    world.store.put(late, Bytes::from_static(b"value"), world.at(1000)).await?;
    world.pass(900);
    equal("a take before the time", world.store.take(early).await?, Some(Bytes::from_static(b"value")))?;
    world.pass(200);
    equal("a take after the time", world.store.take(late).await?, None)
}

async fn put_replaces(world: World) -> Verdict {
    let key = key();
    world.store.put(key, Bytes::from_static(b"first"), world.at(1000)).await?;
    world.store.put(key, Bytes::from_static(b"second"), world.at(3000)).await?;
    world.pass(1100);
    equal("the take", world.store.take(key).await?, Some(Bytes::from_static(b"second")))?;
    equal("the second take", world.store.take(key).await?, None)
}

async fn shared_until(world: World) -> Verdict {
    let key = key();
    equal("before", world.store.shared(key).await?, None)?;
    let lease = world.store.lease(key, std::time::Duration::from_secs(100)).await?.ok_or("no lease")?;
    world.store.share(key, lease, Bytes::from_static(b"first"), world.at(1000)).await?;
    for _ in 0..2 {
        equal("the result", world.store.shared(key).await?, Some(Bytes::from_static(b"first")))?;
    }
    world.store.share(key, lease, Bytes::from_static(b"second"), world.at(3000)).await?;
    world.pass(2000);
    equal("the later result", world.store.shared(key).await?, Some(Bytes::from_static(b"second")))?;
    world.pass(1100);
    equal("after its time", world.store.shared(key).await?, None)
}

async fn key_spaces(world: World) -> Verdict {
    let key = key();
    world.store.first_time(key, world.at(1000)).await?;
    equal("a value", world.store.take(key).await?, None)?;
    equal("a shared result", world.store.shared(key).await?, None)?;
    let lease = world.store.lease(key, std::time::Duration::from_secs(1000)).await?.ok_or("no lease")?;
    world.store.put(key, Bytes::from_static(b"put"), world.at(1000)).await?;
    world.store.share(key, lease, Bytes::from_static(b"shared"), world.at(1000)).await?;
    equal("the value", world.store.take(key).await?, Some(Bytes::from_static(b"put")))?;
    equal("the shared result", world.store.shared(key).await?, Some(Bytes::from_static(b"shared")))?;
    equal("the first time", world.store.first_time(key, world.at(1000)).await?, false)
}

async fn sweep_is_unseen(world: World) -> Verdict {
    let (over, live) = (key(), key());
    let (over_id, _) = world.opened("auth0|1").await?;
    let hundred = std::time::Duration::from_secs(100);
    let lapsed = world.store.lease(over, hundred).await?.ok_or("no lease")?;
    world.store.put(over, Bytes::from_static(b"over"), world.at(100)).await?;
    world.store.first_time(over, world.at(100)).await?;
    world.pass(1100);
    let (live_id, session) = world.opened("auth0|1").await?;
    let next = world.store.lease(over, hundred).await?.ok_or("no second lease")?;
    let held = world.store.lease(live, hundred).await?.ok_or("no lease")?;
    world.store.put(live, Bytes::from_static(b"live"), world.at(1000)).await?;
    world.store.share(live, held, Bytes::from_static(b"live"), world.at(1000)).await?;
    world.store.first_time(live, world.at(1000)).await?;
    world.store.sweep().await?;
    world.is_gone(&over_id).await?;
    equal("the session", world.read(&live_id).await?.session, session)?;
    equal("the count", world.store.count().await?, 1)?;
    equal("the value that is over", world.store.take(over).await?, None)?;
    equal("the value", world.store.take(live).await?, Some(Bytes::from_static(b"live")))?;
    equal("the shared result", world.store.shared(live).await?, Some(Bytes::from_static(b"live")))?;
    equal("the first time", world.store.first_time(live, world.at(1000)).await?, false)?;
    equal("the lease that is held", world.store.lease(live, hundred).await?, None)?;
    fences_survive(&world, over, lapsed, next).await
}

/// `last` lapses and is swept: its predecessor is still refused, and the next fence is higher.
async fn fences_survive(world: &World, key: crate::base::digest::Digest, first: Lease, last: Lease) -> Verdict {
    world.pass(200);
    world.store.sweep().await?;
    equal("a late share", world.store.share(key, first, Bytes::new(), world.at(1000)).await?, false)?;
    world.pass(1_000_000);
    world.store.sweep().await?;
    let next = world.store.lease(key, std::time::Duration::from_secs(100)).await?.ok_or("no lease after a sweep")?;
    ensure(next.fence > last.fence, "a fence did not grow after a sweep")
}
