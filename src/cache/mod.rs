//! Read-through caches: single flight, stale on error, bounded.
