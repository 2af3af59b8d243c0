//! Rules across files: one server a pair, one tenant a name, one issuer a callback, one cookie a
//! host. Whoever serves something keeps it; a newcomer is refused as a whole and told who holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use jiff::Timestamp;

use super::super::model::Tenant;
use super::super::problem::{Place, Problem, Severity};
use super::super::reading::Outcome;
use super::super::registry::{Pair, pairs, share_a_cookie};
use super::{FileState, State};
use crate::base::id::{ClientType, HostPattern};

/// A tenant and its file.
type Named<'a> = (&'a Arc<str>, &'a Arc<Tenant>);

/// A thing that one file alone may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Thing {
    /// The tenant's name: `acme.yaml` and `acme.yml` are two files of one.
    Name(Arc<str>),
    Pair(Pair),
}

/// Which version of a file is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    AsRead,
    LastGood,
    Nothing,
}

struct Candidate {
    step: Step,
    tenant: Option<Arc<Tenant>>,
}

/// Decides what serves of each file.
pub(super) fn settle(previous: &State, mut files: BTreeMap<Arc<str>, FileState>, now: Timestamp) -> State {
    let holders = holders(previous);
    let mut candidates: BTreeMap<Arc<str>, Candidate> =
        files.iter().map(|(file, known)| (Arc::clone(file), first(known))).collect();
    // Each round with a conflict takes a file one step back, and there are three steps.
    loop {
        let losers = losers(&candidates, &holders, &files);
        if losers.is_empty() {
            break;
        }
        for (file, problem) in losers {
            let Some(known) = files.get_mut(&file) else { continue };
            if let Some(candidate) = candidates.get_mut(&file) {
                if candidate.step == Step::AsRead {
                    known.conflicts.push(problem);
                }
                *candidate = step_back(candidate.step, known);
            }
        }
    }
    for (file, candidate) in candidates {
        let Some(known) = files.get_mut(&file) else { continue };
        let is_same =
            matches!((&known.serving, &candidate.tenant), (Some(before), Some(after)) if Arc::ptr_eq(before, after));
        if !is_same {
            known.serving_since = candidate.tenant.as_ref().map(|_| now);
        }
        known.serving = candidate.tenant;
        if known.is_active() {
            known.recalled = None;
        }
    }
    let mut state = State { files, held: Vec::new() };
    note_disputes(&mut state);
    state
}

fn first(known: &FileState) -> Candidate {
    match &known.reading.outcome {
        // The same content as what serves keeps the very value that serves, and its caches with it.
        Outcome::Good { tenant, .. } => match &known.serving {
            Some(serving) if serving.digest == tenant.digest => {
                Candidate { step: Step::AsRead, tenant: Some(Arc::clone(serving)) }
            }
            _ => Candidate { step: Step::AsRead, tenant: Some(Arc::clone(tenant)) },
        },
        Outcome::Bad { .. } => step_back(Step::AsRead, known),
    }
}

fn step_back(from: Step, known: &FileState) -> Candidate {
    match (from, &known.serving) {
        (Step::AsRead, Some(serving)) => Candidate { step: Step::LastGood, tenant: Some(Arc::clone(serving)) },
        _ => Candidate { step: Step::Nothing, tenant: None },
    }
}

fn things(tenant: &Tenant) -> impl Iterator<Item = Thing> + '_ {
    std::iter::once(Thing::Name(tenant.name.as_str().into())).chain(pairs(tenant).map(Thing::Pair))
}

/// Who had what before. A file whose version of then is not tried any more still counts: its pairs
/// are its own as long as it claims them.
fn holders(previous: &State) -> AHashMap<Thing, Arc<str>> {
    let mut holders = AHashMap::new();
    for (file, known) in &previous.files {
        for thing in known.serving.iter().flat_map(|tenant| things(tenant)) {
            holders.insert(thing, Arc::clone(file));
        }
    }
    // What two disputed is held by neither.
    for (pair, _) in disputed_pairs(&previous.files) {
        holders.remove(&Thing::Pair(pair));
    }
    // From before this process began, as far as nobody has it now.
    let mut recalled: AHashMap<Thing, Vec<&Arc<str>>> = AHashMap::new();
    for (file, known) in &previous.files {
        recalled_things(known).for_each(|thing| recalled.entry(thing).or_default().push(file));
    }
    for (thing, files) in recalled {
        if let [file] = files[..] {
            holders.entry(thing).or_insert_with(|| Arc::clone(file));
        }
    }
    holders
}

/// What was a file's own when it last served, before this process began.
fn recalled_things(known: &FileState) -> impl Iterator<Item = Thing> + '_ {
    known.recalled.iter().flat_map(|record| {
        let name = record.claims.name.as_ref().map(|name| Thing::Name(name.as_str().into()));
        name.into_iter().chain(record.holds.iter().cloned().map(Thing::Pair))
    })
}

/// The files that lose something to its holder in this round, each with the first reason.
fn losers(
    candidates: &BTreeMap<Arc<str>, Candidate>,
    holders: &AHashMap<Thing, Arc<str>>,
    files: &BTreeMap<Arc<str>, FileState>,
) -> Vec<(Arc<str>, Problem)> {
    let mut claims: AHashMap<Thing, Vec<&Arc<str>>> = AHashMap::new();
    for (file, candidate) in candidates {
        for thing in candidate.tenant.iter().flat_map(|tenant| things(tenant)) {
            claims.entry(thing).or_default().push(file);
        }
    }
    // One that cannot serve what was its own keeps others from it all the same: its visitors are not theirs.
    for (file, known) in files.iter().filter(|(file, _)| !serves(candidates, file)) {
        for thing in recalled_things(known) {
            claims.entry(thing).or_default().push(file);
        }
    }
    let mut losers: BTreeMap<Arc<str>, Problem> = BTreeMap::new();
    for (thing, claimants) in claims.iter().filter(|(_, claimants)| claimants.len() > 1) {
        let holder = holders.get(thing).filter(|holder| claimants.contains(holder));
        // Without a holder a pair is disputed, and a name is the first file's.
        let winner = match (holder, thing) {
            (Some(holder), _) => holder,
            (None, Thing::Name(_)) => claimants[0],
            (None, Thing::Pair(_)) => continue,
        };
        for loser in claimants.iter().filter(|file| **file != winner && serves(candidates, file)) {
            losers.entry(Arc::clone(loser)).or_insert_with(|| taken(loser, thing, winner));
        }
    }
    for (file, problem) in clashes(candidates, holders) {
        losers.entry(file).or_insert(problem);
    }
    losers.into_iter().collect()
}

fn serves(candidates: &BTreeMap<Arc<str>, Candidate>, file: &Arc<str>) -> bool {
    candidates.get(file).is_some_and(|candidate| candidate.tenant.is_some())
}

/// Two tenants whose browsers or codes would get mixed up: the one that holds no pair yet loses, or
/// the later file.
fn clashes(
    candidates: &BTreeMap<Arc<str>, Candidate>,
    holders: &AHashMap<Thing, Arc<str>>,
) -> Vec<(Arc<str>, Problem)> {
    let held: AHashSet<&Arc<str>> = holders.values().collect();
    let mut by_host: AHashMap<&HostPattern, Vec<Named<'_>>> = AHashMap::new();
    let mut by_callback: AHashMap<String, Vec<Callback<'_>>> = AHashMap::new();
    let tenants = candidates.iter().filter_map(|(file, candidate)| Some((file, candidate.tenant.as_ref()?)));
    for (file, tenant) in tenants {
        tenant.hosts.iter().for_each(|host| by_host.entry(host).or_default().push((file, tenant)));
        callbacks(file, tenant).for_each(|(place, callback)| by_callback.entry(place).or_default().push(callback));
    }
    let mut losers = Vec::new();
    let mut lose = |one: &Arc<str>, other: &Arc<str>, message: &str| {
        let (loser, winner) = if held.contains(other) && !held.contains(one) { (one, other) } else { (other, one) };
        losers.push((Arc::clone(loser), problem(loser, &format!("{message} of {winner}"))));
    };
    for (_, sharing) in by_host {
        for_each_two(&sharing, |(one, a), (other, b)| {
            if a.clients.iter().any(|x| b.clients.iter().any(|y| share_a_cookie(x, y))) {
                lose(one, other, "a cookie client has the same cookie on the same host as a client");
            }
        });
    }
    for (place, sharing) in by_callback {
        for_each_two(&sharing, |a, b| {
            if a.is_mixed_up_with(b) {
                lose(
                    a.file,
                    b.file,
                    &format!("another issuer's codes come back to the same redirect_url ({place}) as those"),
                );
            }
        });
    }
    losers
}

/// A `redirect_url` on one of its tenant's hosts.
struct Callback<'a> {
    file: &'a Arc<str>,
    tenant: &'a Tenant,
    client_type: &'a ClientType,
    has_own_host: bool,
}

impl Callback<'_> {
    /// Two issuers' codes come to one place (RFC 9700 §4.4.2). Where both are the same client on the same hosts, one
    /// of them serves or neither does: that is decided by the pair.
    fn is_mixed_up_with(&self, other: &Self) -> bool {
        let is_same_pair = self.client_type == other.client_type && !self.has_own_host && !other.has_own_host;
        self.tenant.auth0.issuer != other.tenant.auth0.issuer && !is_same_pair
    }
}

/// Where the codes of a tenant come back, `{host}` standing for each of its patterns.
fn callbacks<'a>(file: &'a Arc<str>, tenant: &'a Tenant) -> impl Iterator<Item = (String, Callback<'a>)> {
    let urls = tenant.clients.iter().flat_map(|client| client.redirect_urls.iter().map(move |url| (client, url)));
    urls.flat_map(move |(client, url)| {
        let has_own_host = !url.as_str().contains("{host}");
        let places = match (has_own_host, client.is_cookie_client()) {
            (true, _) => 1,
            (false, true) => usize::MAX,
            // The gateway finishes no login of a token client; it may have the URL from the defaults.
            (false, false) => 0,
        };
        let hosts = tenant.hosts.iter().take(places);
        hosts.map(move |host| {
            let place = place(&url.as_str().replace("{host}", &host.to_string()));
            (place, Callback { file, tenant, client_type: &client.client_type, has_own_host })
        })
    })
}

/// What the gateway can tell of where a browser lands: the host, and the path from its last `callback` on, since a
/// proxy may have cut off what is before it.
fn place(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let segments: Vec<&str> = path.split('/').collect();
    let last = segments.iter().rposition(|segment| *segment == "callback").unwrap_or(1);
    format!("{host}/{}", segments.get(last..).unwrap_or_default().join("/"))
}

fn for_each_two<'a, T>(items: &'a [T], mut act: impl FnMut(&'a T, &'a T)) {
    for (index, one) in items.iter().enumerate() {
        items.iter().skip(index + 1).for_each(|other| act(one, other));
    }
}

fn taken(file: &Arc<str>, thing: &Thing, winner: &Arc<str>) -> Problem {
    match thing {
        Thing::Name(name) => problem(file, &format!("the tenant `{name}` is served by {winner}")),
        Thing::Pair(pair) => problem(file, &format!("{} is served by {winner}", describe(pair))),
    }
}

fn describe((client_type, host): &Pair) -> String {
    match client_type {
        Some(client_type) => format!("client type `{client_type}` on host `{host}`"),
        None => format!("the default client on host `{host}`"),
    }
}

fn problem(file: &Arc<str>, message: &str) -> Problem {
    Problem {
        file: Arc::clone(file),
        place: Some(Place { line: 1, column: 1 }),
        path: "hosts".into(),
        severity: Severity::Error,
        message: message.into(),
        hint: Some("the file that serves it must give it up first".into()),
    }
}

/// Pairs that two serving tenants claim: nobody held them when both came.
pub(super) fn disputed_pairs(files: &BTreeMap<Arc<str>, FileState>) -> Vec<(Pair, Vec<Arc<str>>)> {
    let mut claims: AHashMap<Pair, Vec<Arc<str>>> = AHashMap::new();
    for (file, known) in files {
        for pair in known.serving.iter().flat_map(|tenant| pairs(tenant)) {
            claims.entry(pair).or_default().push(Arc::clone(file));
        }
    }
    claims.retain(|_, files| files.len() > 1);
    claims.into_iter().collect()
}

/// Says in both files what they dispute.
fn note_disputes(state: &mut State) {
    for (pair, files) in disputed_pairs(&state.files) {
        for file in &files {
            let others: Vec<&str> = files.iter().filter(|other| *other != file).map(|other| &**other).collect();
            let message = format!(
                "{} is claimed by {} too; nobody is served there until one gives it up",
                describe(&pair),
                others.join(", ")
            );
            if let Some(known) = state.files.get_mut(file) {
                known.disputes.push(Problem { hint: None, ..problem(file, &message) });
            }
        }
    }
}
