//! One run: a plan carried out, and what must hold afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth0_gateway::base::id::Host;
use auth0_gateway::emulator::{Cut, EndpointName, Fault, RefreshOutcome, RotationMode};
use auth0_gateway::flow::session::{self, SessionError};
use auth0_gateway::flow::{Call, UpstreamTime, logout, token};
use auth0_gateway::oauth::parameters::Parameters;
use auth0_gateway::oauth::request::TokenRequest;
use auth0_gateway::session::SessionId;
use auth0_gateway::tenant::lookup::Query;
use auth0_gateway::tenant::registry::Registry;
use tokio_util::task::TaskTracker;

use crate::gateway::{Effect, Gateway};
use crate::plan::{CLIENTS, Event, Knows, Plan, Step};
use crate::support::{World, WorldOptions, eventually};

const HOST: &str = "m.example";

/// Auth0's overlap is longer than what the file says of it: a request is on its way for a while.
const OVERLAP: Duration = Duration::from_secs(40);

/// Longer than a lease, and than the answer of a refresh is shared.
const LEASE_LAPSES: Duration = Duration::from_secs(11);

/// How often each thing that the model is about has happened: what never happens is never right.
#[derive(Debug, Default)]
pub struct Tally {
    pub crashes: AtomicUsize,
    pub logouts: AtomicUsize,
    pub cuts: AtomicUsize,
    pub refused: AtomicUsize,
    pub ended: AtomicUsize,
    pub alive: AtomicUsize,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// An emulated Auth0 with its clock, and the tenant as gateways may know it. One run after the other.
pub struct Stage {
    world: World,
    well: Arc<Registry>,
    other_refresh: Arc<Registry>,
    other_issuer: Arc<Registry>,
    redis: String,
}

fn tenant_file(auth0: &str, refresh: &str) -> String {
    let head = format!(
        "name: model\nauth0: {{ base_url: BASE/{auth0} }}\nhosts: [\"{HOST}\"]\nlimits: {{ timeout: 60s }}\nclients:\n"
    );
    let client = |name: &&str| {
        let leeway = if name.starts_with('l') { "30s" } else { "0s" };
        let refresh = refresh.replace("LEEWAY", leeway);
        format!(
            "  {name}:\n    client_id: {name}\n    client_secret: any-secret\n    scopes: [openid, offline_access, website]\n    \
             grants: [password, refresh_token]\n    refresh: {refresh}\n    session: {{ cookie: sid-{name} }}\n"
        )
    };
    head + &CLIENTS.iter().map(client).collect::<String>()
}

impl Stage {
    pub async fn set(redis: String) -> Self {
        let usual = tenant_file("model", "{ sharing: 10s, leeway: LEEWAY, timeout: 60s }");
        let options =
            WorldOptions { files: vec![("model.yaml", usual)], flags: vec!["--sessions", "memory:"], as_dev: false };
        let world = World::with(options).await;
        let registry = || world.gateway.reloader.handle().load();
        let well = registry();
        world.write("model.yaml", &tenant_file("model", "{ sharing: 0s, leeway: 0s, timeout: 50s }"));
        world.reload().await;
        let other_refresh = registry();
        world.write("model.yaml", &tenant_file("another", "{ sharing: 10s, timeout: 60s }"));
        world.reload().await;
        let other_issuer = registry();
        for client in CLIENTS {
            let rotation = match client.as_bytes()[0] {
                b'u' => RotationMode::Reusable,
                b'r' => RotationMode::Rotating { leeway: Duration::ZERO },
                _ => RotationMode::Rotating { leeway: OVERLAP },
            };
            world.auth0("model").set_rotation(client, rotation);
        }
        Self { world, well, other_refresh, other_issuer, redis }
    }

    fn call(&self, knows: Knows, client: &str) -> Call {
        let registry = match knows {
            Knows::Well => &self.well,
            Knows::OtherRefresh => &self.other_refresh,
            Knows::OtherIssuer => &self.other_issuer,
        };
        let host = Host::parse(HOST).unwrap();
        let found = registry.resolve(&Query { host: &host, client_type: Some(client), client_id: None }).unwrap();
        let (tenant, client) = (found.tenant, found.client);
        Call { tenant, client, host, address: None, upstream: UpstreamTime::default() }
    }

    /// Carries the plan of the seed out; what was wrong.
    pub async fn run(&self, seed: u64, tally: &Tally) -> Result<(), String> {
        let plan = Plan::of(seed);
        let violations = self.world.auth0("model").refresh_violations();
        let mut run = Run::begin(self, &plan, format!("{}?prefix={seed}:", self.redis)).await?;
        for step in &plan.steps {
            run.step(step, tally).await;
        }
        run.check(tally).await?;
        let log = self.world.auth0("model").refresh_log();
        if self.world.auth0("model").refresh_violations() == violations {
            return Ok(());
        }
        let of: Vec<_> = log.iter().filter(|event| event.outcome == RefreshOutcome::ReuseDetected).collect();
        Err(format!("a token was presented against the rules: {:?}", of.last()))
    }
}

/// A login, and what has happened to it.
struct Login {
    client: &'static str,
    id: SessionId,
    logged_out: bool,
    /// Whether something was injected that may cost it.
    hurt: bool,
}

struct Run<'a> {
    stage: &'a Stage,
    redis: String,
    knows: Vec<Knows>,
    gateways: Vec<Gateway>,
    logins: Vec<Login>,
}

impl<'a> Run<'a> {
    async fn begin(stage: &'a Stage, plan: &Plan, redis: String) -> Result<Self, String> {
        let knows = plan.gateways.clone();
        let mut run = Self { stage, redis, knows, gateways: Vec::new(), logins: Vec::new() };
        for _ in &run.knows {
            run.gateways.push(run.gateway());
        }
        for client in &plan.sessions {
            let form = b"grant_type=password&username=user@model.example&password=Passw0rd-1";
            let request = TokenRequest::parse(&mut Parameters::from_form(form).unwrap()).unwrap();
            let call = stage.call(Knows::Well, client);
            let login = token::run(&run.gateways[0].services, &call, request, token::Caller::default()).await;
            let login = login.map_err(|error| format!("no login: {error:?}"))?;
            let token::Answer::Session(opened) = login.answer else { return Err("no session".to_owned()) };
            run.logins.push(Login { client, id: opened.id, logged_out: false, hurt: false });
        }
        Ok(run)
    }

    fn gateway(&self) -> Gateway {
        Gateway::start(&self.stage.world.gateway.services, &self.stage.world.clock, &self.redis)
    }

    async fn step(&mut self, step: &Step, tally: &Tally) {
        let clock = &self.stage.world.clock;
        clock.advance(step.wait);
        let login = &self.logins[step.session];
        let armed = match step.event {
            Event::Crash { gateway, at } => Some((&self.gateways[gateway], at, Effect::Die)),
            Event::Logout { gateway, at, .. } => Some((&self.gateways[gateway], at, Effect::Stand)),
            Event::Nothing | Event::Cut => None,
        };
        let armed = armed.map(|(gateway, at, effect)| gateway.life.arm(at, effect));
        if matches!(step.event, Event::Cut) {
            self.stage.world.auth0("model").set_fault(EndpointName::Token, Fault::cut(Cut::BeforeResponse).times(1));
        }
        let callers = TaskTracker::new();
        for &caller in &step.callers {
            callers.spawn(self.renewal(caller, login));
        }
        callers.close();
        let (mut hurt, mut logged_out) = (matches!(step.event, Event::Cut), false);
        if let Some((reached, resumed)) = armed {
            let met = tokio::select! {
                biased;
                () = reached.cancelled() => true,
                () = callers.wait() => false,
            };
            match step.event {
                Event::Logout { by, .. } => {
                    logged_out = self.logout(by, login).await;
                    resumed.cancel();
                }
                _ if met => {
                    count(&tally.crashes);
                    hurt = true;
                    clock.advance(LEASE_LAPSES);
                }
                _ => {}
            }
        }
        callers.wait().await;
        self.stage.world.auth0("model").clear_faults();
        let login = &mut self.logins[step.session];
        login.hurt |= hurt;
        login.logged_out |= logged_out;
        if hurt && matches!(step.event, Event::Cut) {
            count(&tally.cuts);
        }
        self.mend();
    }

    /// Whoever crashed is started again, empty; what did not happen in this step does not in the next.
    fn mend(&mut self) {
        for number in 0..self.gateways.len() {
            self.gateways[number].life.disarm();
            if self.gateways[number].life.died.is_cancelled() {
                self.gateways[number] = self.gateway();
            }
        }
    }

    /// A caller, who gets no answer from a gateway that is gone.
    fn renewal(&self, gateway: usize, login: &Login) -> impl Future<Output = ()> + Send + 'static {
        let call = self.stage.call(self.knows[gateway], login.client);
        let gateway = &self.gateways[gateway];
        let (services, died, id) = (Arc::clone(&gateway.services), gateway.life.died.clone(), login.id.clone());
        async move {
            tokio::select! {
                _ = session::renew(&services, &call, &id) => {}
                () = died.cancelled() => {}
            }
        }
    }

    /// Whether the caller was told that the session is over.
    async fn logout(&self, gateway: usize, login: &Login) -> bool {
        if self.knows[gateway] == Knows::OtherIssuer {
            return false;
        }
        let call = self.stage.call(self.knows[gateway], login.client);
        logout::session(&self.gateways[gateway].services, &call, &login.id).await.is_ok()
    }

    async fn check(&self, tally: &Tally) -> Result<(), String> {
        self.stage.world.clock.advance(LEASE_LAPSES);
        for login in &self.logins {
            let call = self.stage.call(Knows::Well, login.client);
            if login.logged_out {
                count(&tally.logouts);
                // Before anybody renews it, which would end it and hide that it lived; by one that holds no copies.
                let fresh = self.gateway();
                if session::read(&fresh.services, &call, &login.id).await.is_ok() {
                    return Err(format!("{}: a logout was undone", login.client));
                }
                self.check_everywhere(login, false, tally).await?;
                continue;
            }
            let renewed = session::renew(&self.gateways[0].services, &call, &login.id).await;
            match &renewed {
                Ok(_) => count(&tally.alive),
                Err(SessionError::Ended(_) | SessionError::Missing) if login.hurt => count(&tally.ended),
                Err(error) => return Err(format!("{}: lost without need: {error:?}", login.client)),
            }
            self.check_everywhere(login, renewed.is_ok(), tally).await?;
        }
        Ok(())
    }

    /// Whether every gateway says the same of the session, once it has heard of what changed.
    async fn check_everywhere(&self, login: &Login, alive: bool, tally: &Tally) -> Result<(), String> {
        for (gateway, knows) in self.gateways.iter().zip(&self.knows) {
            let call = self.stage.call(*knows, login.client);
            if *knows == Knows::OtherIssuer {
                let read = session::read(&gateway.services, &call, &login.id).await;
                if alive && !matches!(read, Err(SessionError::Foreign)) {
                    return Err(format!("{}: of another Auth0, and not refused: {read:?}", login.client));
                }
                count(&tally.refused);
                continue;
            }
            let what = format!("{} is {} everywhere", login.client, if alive { "alive" } else { "over" });
            let read = async || session::read(&gateway.services, &call, &login.id).await.is_ok() == alive;
            eventually(&what, read).await;
        }
        Ok(())
    }
}
