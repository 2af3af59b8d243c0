//! The sessions: one script in one partition each, but for what goes through all of a tenant's.

use std::collections::BTreeSet;

use jiff::Timestamp;
use redis::cmd;

use super::connection::Repeat;
use super::keys::{Index, Partition};
use super::scripts::{Call, Script};
use super::{RedisStore, keys};
use crate::base::digest::Digest;
use crate::base::id::TenantName;
use crate::session::record::{self, Record};
use crate::session::ring::Digests;
use crate::session::{Replaced, Session, SessionId, StoreError, Stored, Whose};

const FIRST_VERSION: u64 = 1;

/// How many sessions one script ends, sweeps or lists: the server does nothing else meanwhile.
const AT_ONCE: usize = 256;

/// A session as it comes from a script: name, record, `idle_until`.
type Kept = (Vec<u8>, Vec<u8>, Vec<u8>);

impl RedisStore {
    pub(super) async fn open_session(&self, id: &SessionId, session: Session, per_user: u32) -> Result<(), StoreError> {
        let digest = record::id(&self.parts.ring, id).current;
        let record = Record::seal((&self.parts.ring, &*self.parts.random), &digest, &session, FIRST_VERSION)?;
        let partition = self.keys.partition(&session.subject);
        self.write_place(&digest, partition, session.ends).await?;
        let clients = record::client_digests(&self.parts.ring, &session);
        let clients: Vec<String> = clients.iter().map(|client| Index::Client.of(client)).collect();
        let call = self
            .call(&self.scripts.open, partition)
            .argument(per_user.max(1))
            .argument(keys::name(&digest))
            .argument(record.to_bytes())
            .argument(record.version)
            .argument([record.opened, record.idle_until, record.ends].map(keys::time).as_slice())
            .argument(keys::indexes(&record.found_by))
            .argument(clients);
        // A second `open` of an id replaces the first.
        let opened = self.run(call, Repeat::Harmless).await;
        self.cache.forget(&digest);
        opened
    }

    pub(super) async fn read_session(&self, id: &SessionId) -> Result<Option<Stored>, StoreError> {
        let names = record::id(&self.parts.ring, id);
        if let Some(stored) = names.iter().find_map(|name| self.cache.get(name)) {
            return Ok(Some(stored));
        }
        for name in names.iter() {
            let stamp = self.cache.stamp(name);
            let Some(partition) = self.place(name).await? else { continue };
            let mut command = cmd("HMGET");
            command.arg(self.keys.session(partition, &keys::name(name))).arg("b").arg("i");
            let (record, idle): (Option<Vec<u8>>, Option<Vec<u8>>) = self.command(&command, Repeat::Harmless).await?;
            let (Some(record), Some(idle)) = (record, idle) else { continue };
            let length = record.len();
            let stored = self.opened_record(name, &record, &idle)?;
            if stored.session.is_over(self.parts.clock.now()) {
                return Ok(None);
            }
            if let Some(stamp) = stamp {
                self.cache.put(*name, stored.clone(), stamp, length);
            }
            return Ok(Some(stored));
        }
        Ok(None)
    }

    pub(super) async fn touch_session(&self, id: &SessionId, idle_until: Timestamp) -> Result<bool, StoreError> {
        let names = record::id(&self.parts.ring, id);
        let Some(partition) = self.place_of_any(&names).await? else { return Ok(false) };
        let call = self.call(&self.scripts.touch, partition).argument(keys::time(idle_until)).argument(written(&names));
        // Other replicas need not hear: a copy that is over there is read anew.
        self.run_changing(&names, call, Repeat::Harmless).await
    }

    pub(super) async fn replace_session(
        &self,
        id: &SessionId,
        version: u64,
        session: Session,
    ) -> Result<Replaced, StoreError> {
        let names = record::id(&self.parts.ring, id);
        let Some(partition) = self.place_of_any(&names).await? else { return Ok(Replaced::Gone) };
        let next = version.saturating_add(1);
        let record = Record::seal((&self.parts.ring, &*self.parts.random), &names.current, &session, next)?;
        if !names.older.is_empty() {
            self.write_place(&names.current, partition, session.ends).await?;
        }
        let call = self
            .call(&self.scripts.replace, partition)
            .argument(version)
            .argument(record.to_bytes())
            .argument(next)
            .argument([record.opened, record.idle_until, record.ends].map(keys::time).as_slice())
            .argument(keys::indexes(&record.found_by))
            .argument(written(&names));
        match self.run_changing::<String>(&names, call, Repeat::Never).await?.as_str() {
            "done" => Ok(Replaced::Done(next)),
            "changed" => Ok(Replaced::Changed),
            _ => Ok(Replaced::Gone),
        }
    }

    pub(super) async fn end_session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let names = record::id(&self.parts.ring, id);
        let Some(partition) = self.place_of_any(&names).await? else { return Ok(None) };
        let call = self.call(&self.scripts.end, partition).argument(written(&names));
        let ended: Option<Kept> = self.run_changing(&names, call, Repeat::Never).await?;
        let Some((name, record, idle)) = ended else { return Ok(None) };
        let name = keys::digest(&name).ok_or(StoreError::Unreadable)?;
        self.opened_record(&name, &record, &idle).map(|stored| Some(stored.session))
    }

    pub(super) async fn end_sessions(&self, whose: &Whose) -> Result<u64, StoreError> {
        let (index, partitions, before) = match whose {
            Whose::User { subject, opened_before, .. } => {
                (Index::User, vec![self.keys.partition(subject)], *opened_before)
            }
            Whose::Sid { .. } => (Index::Sid, self.keys.partitions().collect(), None),
            Whose::Tenant { opened_before, .. } => {
                (Index::Tenant, self.keys.partitions().collect(), Some(*opened_before))
            }
        };
        let mut ended = 0;
        for partition in partitions {
            for digest in record::found_by(&self.parts.ring, whose).iter() {
                ended += self.end_index(partition, &index.of(digest), before).await?;
            }
        }
        Ok(ended)
    }

    pub(super) async fn list_subjects(
        &self,
        tenant: &TenantName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Box<str>>, StoreError> {
        let mut subjects = BTreeSet::new();
        for partition in self.keys.partitions() {
            for digest in record::tenant_digests(&self.parts.ring, tenant).iter() {
                let mut command = cmd("ZRANGE");
                command.arg(format!("{}{}", self.keys.base(partition), Index::Tenant.of(digest))).arg(0).arg(-1);
                let names: Vec<Vec<u8>> = self.command(&command, Repeat::Harmless).await?;
                for names in names.chunks(AT_ONCE) {
                    let call = self.call(&self.scripts.records, partition).argument(names);
                    let records: Vec<Kept> = self.run(call, Repeat::Harmless).await?;
                    for (name, record, idle) in records {
                        let name = keys::digest(&name).ok_or(StoreError::Unreadable)?;
                        subjects.insert(self.opened_record(&name, &record, &idle)?.session.subject);
                    }
                }
            }
        }
        Ok(subjects.into_iter().filter(|subject| after.is_none_or(|after| &**subject > after)).take(limit).collect())
    }

    pub(super) async fn count_sessions(&self) -> Result<u64, StoreError> {
        let now = keys::micros(self.parts.clock.now());
        let mut count = 0;
        for partition in self.keys.partitions() {
            let mut command = cmd("ZCOUNT");
            command.arg(format!("{}all", self.keys.base(partition))).arg(format!("({now}")).arg("+inf");
            count += self.command::<u64>(&command, Repeat::Harmless).await?;
        }
        Ok(count)
    }

    pub(super) async fn sweep_sessions(&self) -> Result<(), StoreError> {
        for partition in self.keys.partitions() {
            loop {
                let call = self.call(&self.scripts.sweep, partition).argument(AT_ONCE);
                if self.run::<usize>(call, Repeat::Harmless).await? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Ends what an index holds; how many were live.
    async fn end_index(&self, partition: Partition, index: &str, before: Option<Timestamp>) -> Result<u64, StoreError> {
        let (mut ended, mut spared) = (0, 0u64);
        loop {
            let call = self
                .call(&self.scripts.end_all, partition)
                .argument(index)
                .argument(before.map(keys::time).unwrap_or_default())
                .argument(spared)
                .argument(AT_ONCE);
            let (live, passed_over, seen): (u64, u64, usize) = self.run(call, Repeat::Never).await?;
            ended += live;
            spared = passed_over;
            if seen < AT_ONCE {
                return Ok(ended);
            }
        }
    }

    /// A script on the partition, with what each begins with.
    fn call<'a>(&self, script: &'a Script, partition: Partition) -> Call<'a> {
        let call = Call::new(script, [self.keys.base(partition)]);
        call.argument(self.keys.channel()).argument(keys::time(self.parts.clock.now()))
    }

    /// Forgets the session whatever the answer: a change whose answer is lost may have been made. A read that
    /// began before this is not kept either.
    async fn run_changing<T: redis::FromRedisValue>(
        &self,
        names: &Digests,
        call: Call<'_>,
        repeat: Repeat,
    ) -> Result<T, StoreError> {
        let answer = self.run(call, repeat).await;
        names.iter().for_each(|name| self.cache.forget(name));
        answer
    }

    fn opened_record(&self, name: &Digest, record: &[u8], idle: &[u8]) -> Result<Stored, StoreError> {
        let mut record = Record::from_bytes(record)?;
        record.idle_until = keys::time_of(idle).ok_or(StoreError::Unreadable)?;
        record.open(&self.parts.ring, name)
    }

    async fn place_of_any(&self, names: &Digests) -> Result<Option<Partition>, StoreError> {
        for name in names.iter() {
            if let Some(partition) = self.place(name).await? {
                return Ok(Some(partition));
            }
        }
        Ok(None)
    }

    /// Which partition the session is in; `None` where there is no such session.
    async fn place(&self, name: &Digest) -> Result<Option<Partition>, StoreError> {
        if let Some(only) = self.keys.only_partition() {
            return Ok(Some(only));
        }
        let mut command = cmd("GET");
        command.arg(self.keys.place(&keys::name(name)));
        let place: Option<u8> = self.command(&command, Repeat::Harmless).await?;
        Ok(place.map(Partition))
    }

    /// Says where the session will be, before it is there. It stays until Redis sweeps it: that a session is
    /// nowhere is said by its partition.
    async fn write_place(&self, name: &Digest, partition: Partition, ends: Timestamp) -> Result<(), StoreError> {
        if self.keys.only_partition().is_some() {
            return Ok(());
        }
        let mut command = cmd("SET");
        command.arg(self.keys.place(&keys::name(name))).arg(partition.0).arg("PX").arg(self.kept_for(ends));
        self.command(&command, Repeat::Harmless).await
    }
}

fn written(names: &Digests) -> Vec<String> {
    names.iter().map(keys::name).collect()
}
