//! Leases and the fences that make a late holder harmless.

use std::time::Duration;

use bytes::Bytes;

use super::world::{Found, Verdict, World, ensure, equal, key};
use crate::base::digest::Digest;
use crate::session::Lease;

super::checks! {
    "a lease is held by one at a time" => one_holder,
    "a lease lapses at its time, and the next fence is higher" => lapse,
    "a lease that was given back is free, and the next fence is higher" => release,
    "a renewed lease is held for the time from the renewal" => renew,
    "a lease that lapsed is not renewed, though nobody else has it" => renew_after_lapse,
    "a lease that another has is neither renewed nor released by its predecessor" => strangers,
    "a lease that was given back is not renewed" => renew_after_release,
    "a share is refused once a higher fence was handed out" => share_is_fenced,
    "a holder whose lease lapsed or was given back may share while nobody followed" => share_without_a_follower,
}

const TTL: Duration = Duration::from_secs(1000);

async fn lease(world: &World, key: Digest) -> Result<Lease, Found> {
    world.store.lease(key, TTL).await?.ok_or_else(|| Found::from("no lease where one is free"))
}

async fn is_held(world: &World, key: Digest) -> Verdict {
    equal("a lease that is held", world.store.lease(key, TTL).await?, None)
}

async fn one_holder(world: World) -> Verdict {
    let one = key();
    lease(&world, one).await?;
    is_held(&world, one).await?;
    lease(&world, key()).await.map(drop)
}

async fn lapse(world: World) -> Verdict {
    let key = key();
    let first = lease(&world, key).await?;
    world.pass(900);
    is_held(&world, key).await?;
    world.pass(200);
    let second = lease(&world, key).await?;
    ensure(second.fence > first.fence, "the fence did not grow after a lapse")
}

async fn release(world: World) -> Verdict {
    let key = key();
    let first = lease(&world, key).await?;
    world.store.release(key, first).await?;
    let second = lease(&world, key).await?;
    ensure(second.fence > first.fence, "the fence did not grow after a release")?;
    is_held(&world, key).await
}

async fn renew(world: World) -> Verdict {
    let key = key();
    let held = lease(&world, key).await?;
    world.pass(900);
    equal("the renewal", world.store.renew(key, held, TTL).await?, true)?;
    world.pass(900);
    is_held(&world, key).await?;
    world.pass(200);
    lease(&world, key).await.map(drop)
}

async fn renew_after_lapse(world: World) -> Verdict {
    let key = key();
    let held = lease(&world, key).await?;
    world.pass(1100);
    equal("the renewal", world.store.renew(key, held, TTL).await?, false)?;
    lease(&world, key).await.map(drop)
}

async fn strangers(world: World) -> Verdict {
    let key = key();
    let first = lease(&world, key).await?;
    world.pass(1100);
    let second = lease(&world, key).await?;
    equal("the predecessor's renewal", world.store.renew(key, first, TTL * 10).await?, false)?;
    world.store.release(key, first).await?;
    is_held(&world, key).await?;
    equal("the holder's renewal", world.store.renew(key, second, TTL).await?, true)?;
    world.pass(1100);
    lease(&world, key).await.map(drop)
}

async fn renew_after_release(world: World) -> Verdict {
    let key = key();
    let held = lease(&world, key).await?;
    world.store.release(key, held).await?;
    equal("the renewal", world.store.renew(key, held, TTL).await?, false)?;
    world.store.release(key, held).await?;
    lease(&world, key).await.map(drop)
}

async fn share_is_fenced(world: World) -> Verdict {
    let key = key();
    let first = lease(&world, key).await?;
    world.pass(1100);
    let second = lease(&world, key).await?;
    let until = world.at(5000);
    equal("the late share", world.store.share(key, first, Bytes::from_static(b"late"), until).await?, false)?;
    equal("what is shared then", world.store.shared(key).await?, None)?;
    equal("the holder's share", world.store.share(key, second, Bytes::from_static(b"right"), until).await?, true)?;
    world.store.release(key, second).await?;
    equal("the late share", world.store.share(key, first, Bytes::from_static(b"late"), until).await?, false)?;
    equal("what is shared at last", world.store.shared(key).await?, Some(Bytes::from_static(b"right")))
}

async fn share_without_a_follower(world: World) -> Verdict {
    let (lapsed, released) = (key(), key());
    let lease_of_lapsed = lease(&world, lapsed).await?;
    let lease_of_released = lease(&world, released).await?;
    world.store.release(released, lease_of_released).await?;
    world.pass(1100);
    for (key, lease) in [(lapsed, lease_of_lapsed), (released, lease_of_released)] {
        let shared = world.store.share(key, lease, Bytes::from_static(b"value"), world.at(1000)).await?;
        equal("the share", shared, true)?;
        equal("what is shared", world.store.shared(key).await?, Some(Bytes::from_static(b"value")))?;
    }
    Ok(())
}
