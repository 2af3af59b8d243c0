//! Look-ups in a registry of many tenants: exact hosts, `*.` suffixes and misses, mixed and shuffled, so
//! that no cache of the processor knows the next one.

use std::hint::black_box;
use std::time::Instant;

use auth0_gateway::base::id::Host;
use auth0_gateway::tenant::lookup::Query;
use bench::population;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// The look-up bench.
#[derive(Debug, Args)]
pub(crate) struct Lookup {
    /// How many tenants, each of two hosts and two clients.
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one())]
    tenants: usize,
    /// How many look-ups a round.
    #[arg(long, default_value_t = 1_000_000, value_parser = at_least_one())]
    lookups: usize,
    /// How many rounds; the first is not counted.
    #[arg(long, default_value_t = 7, value_parser = at_least_one())]
    rounds: usize,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// What a look-up asks for, parsed beforehand: parsing is measured apart.
struct Asked {
    host: Host,
    text: String,
    client_type: &'static str,
}

impl Lookup {
    /// Builds the registry and measures.
    pub(crate) fn run(&self) -> String {
        let registry = population::registry(self.tenants);
        let mut random = StdRng::seed_from_u64(1);
        let mut asked: Vec<Asked> = (0..self.lookups.min(200_000)).map(|_| ask(&mut random, self.tenants)).collect();
        asked.shuffle(&mut random);
        let mut text = format!("{} tenants, {} look-ups a round, {} rounds\n", self.tenants, self.lookups, self.rounds);
        text += &self.measure("resolve", &asked, |asked| {
            registry
                .resolve(&Query { host: &asked.host, client_type: Some(asked.client_type), client_id: None })
                .is_ok()
        });
        text += &self.measure("parse the host and resolve", &asked, |asked| {
            Host::parse(&asked.text).is_ok_and(|host| {
                registry.resolve(&Query { host: &host, client_type: Some(asked.client_type), client_id: None }).is_ok()
            })
        });
        text
    }

    /// Nanoseconds a look-up: the fastest, the middle and the slowest round.
    fn measure(&self, name: &str, asked: &[Asked], look_up: impl Fn(&Asked) -> bool) -> String {
        let mut rounds: Vec<f64> = Vec::new();
        let mut found = 0usize;
        for _ in 0..=self.rounds {
            let began = clock();
            found =
                asked.iter().cycle().take(self.lookups).filter(|asked| black_box(look_up(black_box(asked)))).count();
            rounds.push(nanoseconds(began) / per(self.lookups));
        }
        let mut counted = rounds.split_off(1);
        counted.sort_by(f64::total_cmp);
        let at = |place: usize| counted.get(place).copied().unwrap_or_default();
        let (low, middle, high) = (at(0), at(counted.len() / 2), at(counted.len() - 1));
        format!(
            "{name:<28} {low:>7.1} / {middle:.1} / {high:.1} ns (min/med/max), {} of 100 found\n",
            found * 100 / self.lookups.max(1)
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures with the machine's own clock")]
fn clock() -> Instant {
    Instant::now()
}

#[expect(clippy::cast_precision_loss, reason = "a round is far shorter than 2^53 ns")]
fn nanoseconds(began: Instant) -> f64 {
    began.elapsed().as_nanos() as f64
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 look-ups")]
fn per(lookups: usize) -> f64 {
    lookups as f64
}

/// Half exact, a third by suffix, the rest a miss.
fn ask(random: &mut StdRng, tenants: usize) -> Asked {
    let tenant = random.random_range(0..tenants);
    let text = match random.random_range(0..6) {
        0..3 => format!("app.t{tenant}.example"),
        3..5 => format!("a.b.t{tenant}.example"),
        _ => format!("app.t{tenant}.elsewhere"),
    };
    let client_type = if random.random_bool(0.5) { "web" } else { "api" };
    let host = population::known_host(&text);
    Asked { host, text, client_type }
}
