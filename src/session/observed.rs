//! Any store, with its time and its failures in the metrics.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Lease, Replaced, Session, SessionId, SessionStore, StoreError, StoreFuture, Stored, Whose};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::id::TenantName;
use crate::telemetry::metrics::{Metrics, StoreBackend, StoreErrorKind, StoreOperation};

/// Passes every call on; counts what it took and whether the store answered.
#[derive(Debug)]
pub struct ObservedStore {
    inner: Arc<dyn SessionStore>,
    backend: StoreBackend,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl ObservedStore {
    /// Around that store.
    pub fn new(
        inner: Arc<dyn SessionStore>,
        backend: StoreBackend,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { inner, backend, clock, metrics }
    }

    fn observed<'a, T: 'a>(&'a self, operation: StoreOperation, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let began = self.clock.instant();
            let answer = call.await;
            self.metrics.store_operation(self.backend, operation, self.clock.instant().duration_since(began));
            match &answer {
                // It counts as back once it has heard of what it missed.
                Ok(_) => self.metrics.session_store_up(self.inner.is_whole()),
                Err(StoreError::Unavailable(_)) => {
                    self.metrics.session_store_up(false);
                    self.metrics.store_error(StoreErrorKind::Unavailable);
                }
                // The store answered; what it holds cannot be read.
                Err(StoreError::Unreadable) => self.metrics.store_error(StoreErrorKind::Unreadable),
            }
            answer
        })
    }
}

impl SessionStore for ObservedStore {
    fn open<'a>(&'a self, id: &'a SessionId, session: Session, per_user: u32) -> StoreFuture<'a, ()> {
        self.observed(StoreOperation::Open, self.inner.open(id, session, per_user))
    }

    fn read<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        self.observed(StoreOperation::Read, self.inner.read(id))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, idle_until: Timestamp) -> StoreFuture<'a, bool> {
        self.observed(StoreOperation::Write, self.inner.touch(id, idle_until))
    }

    fn replace<'a>(&'a self, id: &'a SessionId, version: u64, session: Session) -> StoreFuture<'a, Replaced> {
        self.observed(StoreOperation::Write, self.inner.replace(id, version, session))
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Session>> {
        self.observed(StoreOperation::End, self.inner.end(id))
    }

    fn end_all<'a>(&'a self, whose: &'a Whose) -> StoreFuture<'a, u64> {
        self.observed(StoreOperation::End, self.inner.end_all(whose))
    }

    fn active_subjects<'a>(
        &'a self,
        tenant: &'a TenantName,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Box<str>>> {
        self.observed(StoreOperation::List, self.inner.active_subjects(tenant, after, limit))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        self.observed(StoreOperation::List, self.inner.count())
    }

    fn first_time(&self, key: Digest, until: Timestamp) -> StoreFuture<'_, bool> {
        self.observed(StoreOperation::Once, self.inner.first_time(key, until))
    }

    fn put(&self, key: Digest, value: Bytes, until: Timestamp) -> StoreFuture<'_, ()> {
        self.observed(StoreOperation::Once, self.inner.put(key, value, until))
    }

    fn take(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        self.observed(StoreOperation::Once, self.inner.take(key))
    }

    fn lease(&self, key: Digest, ttl: Duration) -> StoreFuture<'_, Option<Lease>> {
        self.observed(StoreOperation::Lease, self.inner.lease(key, ttl))
    }

    fn renew(&self, key: Digest, lease: Lease, ttl: Duration) -> StoreFuture<'_, bool> {
        self.observed(StoreOperation::Lease, self.inner.renew(key, lease, ttl))
    }

    fn release(&self, key: Digest, lease: Lease) -> StoreFuture<'_, ()> {
        self.observed(StoreOperation::Lease, self.inner.release(key, lease))
    }

    fn share(&self, key: Digest, lease: Lease, value: Bytes, until: Timestamp) -> StoreFuture<'_, bool> {
        self.observed(StoreOperation::Lease, self.inner.share(key, lease, value, until))
    }

    fn shared(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        self.observed(StoreOperation::Lease, self.inner.shared(key))
    }

    fn recent(&self, id: &SessionId) -> Option<Stored> {
        self.inner.recent(id)
    }

    fn server(&self) -> Option<u64> {
        self.inner.server()
    }

    fn is_whole(&self) -> bool {
        self.inner.is_whole()
    }

    fn sweep(&self) -> StoreFuture<'_, ()> {
        self.observed(StoreOperation::Sweep, self.inner.sweep())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;
    use crate::base::digest::MacKey;
    use crate::session::conformance;
    use crate::session::memory::MemoryStore;

    fn store(clock: Arc<ManualClock>, metrics: Arc<Metrics>) -> ObservedStore {
        let inner = Arc::new(MemoryStore::new(clock.clone(), MacKey::new(&[7; 32])));
        ObservedStore::new(inner, StoreBackend::Memory, clock, metrics)
    }

    fn check(metrics: &Metrics, series: &str) {
        let text = String::from_utf8(metrics.render().expect("renders")).expect("is text");
        assert!(text.lines().any(|line| line == series), "no {series} in {text}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn conforms() {
        let metrics = Arc::new(Metrics::new(0).expect("registers"));
        conformance::check(async |clock| Arc::new(store(clock, metrics.clone())) as Arc<dyn SessionStore>).await;
    }

    #[tokio::test]
    async fn what_a_store_took_and_whether_it_answers_is_shown() {
        let clock = Arc::new(ManualClock::default());
        let metrics = Arc::new(Metrics::new(0).expect("registers"));
        let store = store(clock.clone(), metrics.clone());
        store.count().await.expect("counts");
        let count = r#"session_store_operation_duration_seconds_count{backend="memory",op="list"} 1"#;
        check(&metrics, &format!("auth0_gateway_{count}"));
        check(&metrics, "auth0_gateway_session_store_up 1");
        let slow: StoreFuture<'_, ()> = Box::pin(async {
            clock.advance(Duration::from_secs(7));
            Err(StoreError::Unavailable("refused".into()))
        });
        store.observed(StoreOperation::Read, slow).await.expect_err("failed");
        check(&metrics, "auth0_gateway_session_store_up 0");
        check(&metrics, r#"auth0_gateway_session_store_errors_total{kind="unavailable"} 1"#);
        let bucket = |le, count| {
            let name = "auth0_gateway_session_store_operation_duration_seconds_bucket";
            format!(r#"{name}{{backend="memory",op="read",le="{le}"}} {count}"#)
        };
        check(&metrics, &bucket("5", 0));
        check(&metrics, &bucket("10", 1));
    }
}
