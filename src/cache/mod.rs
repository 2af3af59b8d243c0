//! Read-through caches: single flight, stale on error, bounded.
//!
//! Every key holds the identity that decides the value, and no more, so that an unrelated edit of a
//! tenant file costs nothing. Caches hold facts; whether they count is asked again on each hit.

pub mod discovery;
pub mod keyset;
pub mod read_through;
