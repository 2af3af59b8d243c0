//! What happens in a run, all of it out of one number.

use std::time::Duration;

/// Numbers that follow from a seed (SplitMix64): the schedule must not change with a crate's next version.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..most`.
    pub fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(most).unwrap()).unwrap()
    }

    /// Once in so many.
    pub fn once_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// What a gateway asks of its store while it refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Lease,
    Share,
    Replace,
    Release,
}

/// Whether the store has done it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// A place in a refresh: the `nth` time, from 0, that a gateway asks this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub operation: Operation,
    pub side: Side,
    pub nth: usize,
}

/// What happens to a gateway in the middle of a refresh.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    Nothing,
    /// The gateway is gone from that point on.
    Crash {
        gateway: usize,
        at: Point,
    },
    /// A logout, by another caller at `by`, is answered while the gateway stands at that point.
    Logout {
        gateway: usize,
        at: Point,
        by: usize,
    },
    /// Auth0 does the work, and its answer is cut off.
    Cut,
}

/// How a gateway knows the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knows {
    /// As the others do.
    Well,
    /// With a file that shares no answer and repeats nothing.
    OtherRefresh,
    /// As one of another Auth0.
    OtherIssuer,
}

/// Some time passes, and some callers renew a session at once.
#[derive(Debug, Clone)]
pub struct Step {
    pub wait: Duration,
    pub session: usize,
    /// The gateways that they come to.
    pub callers: Vec<usize>,
    pub event: Event,
}

/// A run.
#[derive(Debug)]
pub struct Plan {
    pub gateways: Vec<Knows>,
    /// The clients that log in, a session each.
    pub sessions: Vec<&'static str>,
    pub steps: Vec<Step>,
}

/// Clients of reusable, rotating, and rotating tokens with an overlap.
pub const CLIENTS: [&str; 6] = ["u0", "r0", "l0", "u1", "r1", "l1"];

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut gateways = vec![Knows::Well; 2 + dice.below(2)];
        // The first one never: somebody must be able to say which sessions live.
        if dice.once_in(3) {
            *gateways.last_mut().unwrap() = dice.one_of(&[Knows::OtherRefresh, Knows::OtherIssuer]);
        }
        let first = dice.below(CLIENTS.len());
        let sessions: Vec<_> = (0..=dice.below(3)).map(|number| CLIENTS[(first + number) % CLIENTS.len()]).collect();
        let steps = (0..3 + dice.below(4)).map(|_| step(&mut dice, gateways.len(), sessions.len())).collect();
        Self { gateways, sessions, steps }
    }
}

fn step(dice: &mut Dice, gateways: usize, sessions: usize) -> Step {
    let callers: Vec<usize> = (0..=dice.below(4)).map(|_| dice.below(gateways)).collect();
    let gateway = callers[0];
    let event = match dice.below(8) {
        0..=2 => Event::Crash { gateway, at: point(dice) },
        3 => Event::Logout { gateway, at: point(dice), by: dice.below(gateways) },
        4 => Event::Cut,
        _ => Event::Nothing,
    };
    // Around the ends of a copy, of sharing and of the overlap; and an access token later.
    let wait = Duration::from_secs(dice.one_of(&[0, 2, 6, 11, 35, 3601]));
    Step { wait, session: dice.below(sessions), callers, event }
}

fn point(dice: &mut Dice) -> Point {
    let (operation, most) = dice.one_of(&[
        (Operation::Lease, 1),
        (Operation::Share, 2),
        (Operation::Share, 2),
        (Operation::Replace, 1),
        (Operation::Release, 1),
    ]);
    Point { operation, side: dice.one_of(&[Side::Before, Side::After]), nth: dice.below(most) }
}
