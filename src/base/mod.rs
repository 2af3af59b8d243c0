//! The ground floor: time, randomness, parsed names, secrets and digests.
//!
//! No IO and no import from the rest of the crate, so that everything above can be tested with a
//! clock that stands still and randomness that repeats.

pub mod clock;
pub mod digest;
pub mod id;
pub mod random;
pub mod secret;
