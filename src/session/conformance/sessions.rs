//! Opening, reading, touching, replacing and ending.

use super::world::{Verdict, World, ensure, equal, issuer, tenant};
use crate::base::secret::Secret;
use crate::session::{Replaced, Session, SessionId, Whose};

super::checks! {
    "what was opened is read back as it was" => opened_is_read,
    "an id that nobody opened is no session" => unknown_is_none,
    "a session is not read once its idle time has passed" => idle_is_over,
    "a session is not read once its end has come, however often it was touched" => ended_is_over,
    "a touch moves the idle time on" => touch_moves_on,
    "a touch never moves the idle time back" => touch_never_back,
    "a touch leaves the version" => touch_leaves_the_version,
    "a touch makes no ended session anew" => touch_after_end,
    "a touch makes no session anew that is over" => touch_after_over,
    "a replace at the version writes and gives a higher version" => replace_writes,
    "a replace at any other version writes nothing" => replace_elsewhere,
    "a replace makes no ended session anew" => replace_after_end,
    "a replace makes no session anew that is over" => replace_after_over,
    "a replace never moves the idle time back" => replace_never_back,
    "an end gives back the session, once" => end_once,
    "ending one that is over is no error, and ends it" => end_after_over,
    "beyond per_user the user's oldest sessions at the client end" => per_user_ends_the_oldest,
    "per_user counts neither other users nor other clients nor other tenants" => per_user_counts_one_user,
    "per_user does not count sessions that are over" => per_user_counts_live_ones,
    "the session just opened never goes for per_user, which counts as 1 at least" => per_user_spares_the_new,
    "end_all of a user ends that user's sessions of that issuer and no other" => end_all_user,
    "end_all of a sid ends that sid's sessions of that issuer and no other" => end_all_sid,
    "end_all of a tenant ends that tenant's sessions and no other" => end_all_tenant,
    "end_all spares what was opened at the time or after" => end_all_spares_later_ones,
    "end_all counts those that were not yet over" => end_all_counts_live_ones,
    "what end_all ended is not made anew" => end_all_is_final,
    "active subjects are a tenant's live ones, sorted, each once, after a place, at most so many" => active_subjects,
    "the count is of live sessions" => count_is_of_live_ones,
}

async fn opened_is_read(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    equal("the session", world.read(&id).await?.session, session)
}

async fn unknown_is_none(world: World) -> Verdict {
    world.opened("auth0|1").await?;
    let id = SessionId::generate(&crate::base::random::SystemRandom);
    equal("a touch", world.store.touch(&id, world.at(1)).await?, false)?;
    equal("a replace", world.store.replace(&id, 1, world.sample("auth0|1")).await?, Replaced::Gone)?;
    equal("an end", world.store.end(&id).await?, None)?;
    world.is_gone(&id).await
}

async fn idle_is_over(world: World) -> Verdict {
    let (id, _) = world.opened("auth0|1").await?;
    world.pass(900);
    world.read(&id).await?;
    world.pass(200);
    world.is_gone(&id).await
}

async fn ended_is_over(world: World) -> Verdict {
    let (id, _) = world.opened("auth0|1").await?;
    equal("a touch", world.store.touch(&id, world.at(1_000_000)).await?, true)?;
    world.pass(9900);
    world.read(&id).await?;
    world.pass(200);
    world.is_gone(&id).await
}

async fn touch_moves_on(world: World) -> Verdict {
    let (id, _) = world.opened("auth0|1").await?;
    let idle_until = world.at(3000);
    equal("a touch", world.store.touch(&id, idle_until).await?, true)?;
    world.pass(2000);
    equal("the idle time", world.read(&id).await?.session.idle_until, idle_until)
}

async fn touch_never_back(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    equal("a touch", world.store.touch(&id, world.at(10)).await?, true)?;
    equal("the idle time", world.read(&id).await?.session.idle_until, session.idle_until)
}

async fn touch_leaves_the_version(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    let version = world.read(&id).await?.version;
    world.store.touch(&id, world.at(2000)).await?;
    equal("the version", world.read(&id).await?.version, version)?;
    let replaced = world.store.replace(&id, version, session).await?;
    ensure(matches!(replaced, Replaced::Done(_)), "a replace after a touch found another version")
}

async fn touch_after_end(world: World) -> Verdict {
    let (id, _) = world.opened("auth0|1").await?;
    world.store.end(&id).await?;
    equal("a touch", world.store.touch(&id, world.at(3000)).await?, false)?;
    world.is_gone(&id).await
}

async fn touch_after_over(world: World) -> Verdict {
    let (id, _) = world.opened("auth0|1").await?;
    world.pass(1100);
    equal("a touch", world.store.touch(&id, world.at(3000)).await?, false)?;
    world.is_gone(&id).await
}

async fn replace_writes(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    let before = world.read(&id).await?.version;
    let session = Session { access_token: Secret::new("another"), ..session };
    let replaced = world.store.replace(&id, before, session.clone()).await?;
    let read = world.read(&id).await?;
    equal("the answer", replaced, Replaced::Done(read.version))?;
    ensure(read.version > before, "the version did not grow")?;
    equal("the session", read.session, session)
}

async fn replace_elsewhere(world: World) -> Verdict {
    let (id, first) = world.opened("auth0|1").await?;
    let opened_at = world.read(&id).await?.version;
    let second = Session { access_token: Secret::new("second"), ..first.clone() };
    world.store.replace(&id, opened_at, second.clone()).await?;
    let late = Session { access_token: Secret::new("late"), ..first };
    for version in [opened_at, world.read(&id).await?.version + 1] {
        equal("the answer", world.store.replace(&id, version, late.clone()).await?, Replaced::Changed)?;
    }
    equal("the session", world.read(&id).await?.session, second)
}

async fn replace_after_end(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    let version = world.read(&id).await?.version;
    world.store.end(&id).await?;
    equal("the answer", world.store.replace(&id, version, session).await?, Replaced::Gone)?;
    world.is_gone(&id).await
}

async fn replace_after_over(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    let version = world.read(&id).await?.version;
    world.pass(1100);
    let session = Session { idle_until: world.at(1000), ..session };
    equal("the answer", world.store.replace(&id, version, session).await?, Replaced::Gone)?;
    world.is_gone(&id).await
}

async fn replace_never_back(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    let touched = world.at(3000);
    world.store.touch(&id, touched).await?;
    let version = world.read(&id).await?.version;
    world.store.replace(&id, version, session.clone()).await?;
    let read = world.read(&id).await?;
    equal("the idle time", read.session.idle_until, touched)?;
    let later = world.at(5000);
    world.store.replace(&id, read.version, Session { idle_until: later, ..session }).await?;
    equal("the idle time", world.read(&id).await?.session.idle_until, later)
}

async fn end_once(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    let (other, _) = world.opened("auth0|1").await?;
    equal("the first end", world.store.end(&id).await?, Some(session))?;
    equal("the second end", world.store.end(&id).await?, None)?;
    world.read(&other).await?;
    world.is_gone(&id).await
}

async fn end_after_over(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    world.pass(1100);
    let ended = world.store.end(&id).await?;
    ensure(ended.is_none_or(|ended| ended == session), "another session was given back")?;
    equal("the second end", world.store.end(&id).await?, None)
}

async fn per_user_ends_the_oldest(world: World) -> Verdict {
    let mut ids = Vec::new();
    // Opened in an order that is not the order of `opened`.
    for age in [20, 40, 10, 30] {
        let opened = world.now() - std::time::Duration::from_secs(age);
        ids.push(world.open(&Session { opened, ..world.sample("auth0|1") }).await?);
    }
    let newest = SessionId::generate(&crate::base::random::SystemRandom);
    world.store.open(&newest, world.sample("auth0|1"), 3).await?;
    for id in [&ids[0], &ids[2], &newest] {
        world.read(id).await?;
    }
    world.is_gone(&ids[1]).await?;
    world.is_gone(&ids[3]).await
}

async fn per_user_counts_one_user(world: World) -> Verdict {
    let session = world.sample("auth0|1");
    let others = [
        world.sample("auth0|2"),
        Session { client_id: "acme-api".into(), ..session.clone() },
        Session { tenant: tenant("globex"), ..session.clone() },
    ];
    let mut ids = Vec::new();
    for other in &others {
        ids.push(world.open(other).await?);
    }
    let newest = SessionId::generate(&crate::base::random::SystemRandom);
    world.store.open(&newest, session, 1).await?;
    for id in &ids {
        world.read(id).await?;
    }
    Ok(())
}

async fn per_user_counts_live_ones(world: World) -> Verdict {
    let old = Session { idle_until: world.at(5000), ..world.sample("auth0|1") };
    let old = world.open(&old).await?;
    world.pass(100);
    // Opened later and yet over sooner: it must not push the older one out.
    world.opened("auth0|1").await?;
    world.pass(1100);
    let newest = SessionId::generate(&crate::base::random::SystemRandom);
    world.store.open(&newest, world.sample("auth0|1"), 2).await?;
    world.read(&newest).await?;
    world.read(&old).await.map(drop)
}

async fn per_user_spares_the_new(world: World) -> Verdict {
    let (before, session) = world.opened("auth0|1").await?;
    // Another replica's clock may be behind.
    let session = Session { opened: session.opened - std::time::Duration::from_secs(50), ..session };
    let newest = SessionId::generate(&crate::base::random::SystemRandom);
    world.store.open(&newest, session, 0).await?;
    world.read(&newest).await?;
    world.is_gone(&before).await
}

async fn end_all_user(world: World) -> Verdict {
    let session = world.sample("auth0|1");
    let elsewhere = Session { tenant: tenant("globex"), client_id: "other".into(), ..session.clone() };
    let meant = [world.open(&session).await?, world.open(&elsewhere).await?];
    let foreign = Session { issuer: issuer("https://other.example/"), ..session.clone() };
    let others = [world.open(&world.sample("auth0|2")).await?, world.open(&foreign).await?];
    let whose = Whose::User { issuer: session.issuer, subject: session.subject, opened_before: None };
    ends(&world, &whose, &meant, &others).await
}

async fn end_all_sid(world: World) -> Verdict {
    let session = world.sample("auth0|1");
    let meant = [world.open(&session).await?, world.open(&session).await?];
    let foreign = Session { issuer: issuer("https://other.example/"), ..session.clone() };
    let later = Session { sid: Some("another".into()), ..session.clone() };
    let without = Session { sid: None, ..session.clone() };
    let others = [world.open(&foreign).await?, world.open(&later).await?, world.open(&without).await?];
    let whose = Whose::Sid { issuer: session.issuer, sid: "sid of auth0|1".into() };
    ends(&world, &whose, &meant, &others).await
}

async fn end_all_tenant(world: World) -> Verdict {
    let session = world.sample("auth0|1");
    let moved = Session { issuer: issuer("https://other.example/"), ..session.clone() };
    let meant = [world.open(&session).await?, world.open(&world.sample("auth0|2")).await?, world.open(&moved).await?];
    let others = [world.open(&Session { tenant: tenant("globex"), ..session }).await?];
    let whose = Whose::Tenant { tenant: tenant("acme"), opened_before: world.at(100) };
    ends(&world, &whose, &meant, &others).await
}

/// Ends them: the meant ones go and are counted, the others stay, and a second call finds none.
async fn ends(world: &World, whose: &Whose, meant: &[SessionId], others: &[SessionId]) -> Verdict {
    equal("the count", world.store.end_all(whose).await?, meant.len() as u64)?;
    for id in meant {
        world.is_gone(id).await?;
    }
    for id in others {
        world.read(id).await?;
    }
    equal("the second count", world.store.end_all(whose).await?, 0)
}

async fn end_all_spares_later_ones(world: World) -> Verdict {
    let session = world.sample("auth0|1");
    let (issuer, subject, opened) = (session.issuer.clone(), session.subject.clone(), session.opened);
    let same_time = world.open(&session).await?;
    let before = world.open(&Session { opened: opened - std::time::Duration::from_secs(1), ..session }).await?;
    let user = Whose::User { issuer, subject, opened_before: Some(opened) };
    equal("the user's count", world.store.end_all(&user).await?, 1)?;
    let whole = Whose::Tenant { tenant: tenant("acme"), opened_before: opened };
    equal("the tenant's count", world.store.end_all(&whole).await?, 0)?;
    world.read(&same_time).await?;
    world.is_gone(&before).await
}

async fn end_all_counts_live_ones(world: World) -> Verdict {
    let session = world.sample("auth0|1");
    world.open(&session).await?;
    world.open(&Session { idle_until: world.at(5000), ..session.clone() }).await?;
    world.pass(1100);
    let whose = Whose::User { issuer: session.issuer, subject: session.subject, opened_before: None };
    equal("the count", world.store.end_all(&whose).await?, 1)
}

async fn end_all_is_final(world: World) -> Verdict {
    let (id, session) = world.opened("auth0|1").await?;
    let version = world.read(&id).await?.version;
    let whose = Whose::User { issuer: session.issuer.clone(), subject: session.subject.clone(), opened_before: None };
    world.store.end_all(&whose).await?;
    equal("a touch", world.store.touch(&id, world.at(3000)).await?, false)?;
    equal("a replace", world.store.replace(&id, version, session).await?, Replaced::Gone)?;
    equal("an end", world.store.end(&id).await?, None)?;
    world.is_gone(&id).await
}

async fn active_subjects(world: World) -> Verdict {
    let short = world.sample("auth0|over");
    world.open(&short).await?;
    let lasting = |subject| Session { idle_until: world.at(5000), ..world.sample(subject) };
    for subject in ["auth0|c", "auth0|a", "auth0|b", "auth0|a"] {
        world.open(&lasting(subject)).await?;
    }
    world.open(&Session { tenant: tenant("globex"), ..lasting("auth0|d") }).await?;
    world.store.end(&world.open(&lasting("auth0|ended")).await?).await?;
    world.pass(1100);
    let acme = tenant("acme");
    let cases = [
        (None, 10, vec!["auth0|a", "auth0|b", "auth0|c"]),
        (None, 2, vec!["auth0|a", "auth0|b"]),
        (Some("auth0|a"), 10, vec!["auth0|b", "auth0|c"]),
        (Some("auth0|c"), 10, vec![]),
    ];
    for (after, limit, wanted) in cases {
        let found = world.store.active_subjects(&acme, after, limit).await?;
        let found: Vec<&str> = found.iter().map(|subject| &**subject).collect();
        equal("the subjects", found, wanted)?;
    }
    Ok(())
}

async fn count_is_of_live_ones(world: World) -> Verdict {
    let session = world.sample("auth0|1");
    world.open(&session).await?;
    let ended = world.open(&session).await?;
    world.open(&Session { idle_until: world.at(5000), ..session }).await?;
    equal("the count", world.store.count().await?, 3)?;
    world.store.end(&ended).await?;
    equal("the count after an end", world.store.count().await?, 2)?;
    world.pass(1100);
    equal("the count after a time", world.store.count().await?, 1)
}
