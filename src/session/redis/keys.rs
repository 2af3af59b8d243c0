//! What keys are called, and which partition a session is in.
//!
//! A script reaches the keys of one slot of a Cluster alone, and one script must see all sessions of a user. So
//! sessions lie in partitions, each with a hash tag and all of its indexes: by `sub`, since every rule that
//! counts sessions counts those of one. A single server has one partition; a Cluster has some, over which the
//! sessions of a tenant or `sid` are looked for one after the other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::base::digest::Digest;
use crate::session::record::FoundBy;

/// Partitions of a Cluster. Part of what is stored: with another number sessions of a user would be counted
/// apart.
const CLUSTER_PARTITIONS: u8 = 16;

/// One of the partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partition(pub(super) u8);

/// The keys under a prefix.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
    partitions: u8,
}

impl Keys {
    pub(super) fn new(prefix: String, is_cluster: bool) -> Self {
        Self { prefix, partitions: if is_cluster { CLUSTER_PARTITIONS } else { 1 } }
    }

    /// All of them.
    pub(super) fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        (0..self.partitions).map(Partition)
    }

    /// The only one, where an id alone says where its session is.
    pub(super) fn only_partition(&self) -> Option<Partition> {
        (self.partitions == 1).then_some(Partition(0))
    }

    /// Where the sessions of a `sub` are. By a plain digest, so that it stays when the ring's keys change; it
    /// tells four bits of it.
    pub(super) fn partition(&self, subject: &str) -> Partition {
        let digest = Digest::of_parts([b"partition".as_slice(), subject.as_bytes()]);
        Partition(digest.as_bytes()[0] % self.partitions)
    }

    /// What every key of the partition begins with.
    pub(super) fn base(&self, partition: Partition) -> String {
        format!("{}{{{}}}:", self.prefix, partition.0)
    }

    /// A session of the partition.
    pub(super) fn session(&self, partition: Partition, name: &str) -> String {
        format!("{}s:{name}", self.base(partition))
    }

    /// In a Cluster: which partition the session is in.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}place:{name}", self.prefix)
    }

    /// Where the first callers with a key are remembered.
    pub(super) fn first_time(&self, key: Digest) -> String {
        format!("{}first:{}", self.prefix, name(&key))
    }

    /// A value that is given out once.
    pub(super) fn value(&self, key: Digest) -> String {
        format!("{}value:{}", self.prefix, name(&key))
    }

    /// A lease. Tagged, because the shared result of the same key must be in its slot.
    pub(super) fn lease(&self, key: Digest) -> String {
        format!("{}lease:{{{}}}", self.prefix, name(&key))
    }

    /// A shared result.
    pub(super) fn shared(&self, key: Digest) -> String {
        format!("{}shared:{{{}}}", self.prefix, name(&key))
    }

    /// Where replicas hear of sessions that changed.
    pub(super) fn channel(&self) -> String {
        format!("{}changed", self.prefix)
    }
}

/// A digest as it stands in keys.
pub(super) fn name(digest: &Digest) -> String {
    URL_SAFE_NO_PAD.encode(digest.as_bytes())
}

/// The other way.
pub(super) fn digest(name: &[u8]) -> Option<Digest> {
    URL_SAFE_NO_PAD.decode(name).ok()?.try_into().ok().map(Digest::from_bytes)
}

/// The index of a user, of a client's user, of a tenant, of a sid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    User,
    Client,
    Tenant,
    Sid,
}

impl Index {
    /// Behind a partition's base.
    pub(super) fn of(self, digest: &Digest) -> String {
        let letter = match self {
            Self::User => 'u',
            Self::Client => 'c',
            Self::Tenant => 't',
            Self::Sid => 'd',
        };
        format!("{letter}:{}", name(digest))
    }
}

/// The indexes that hold a session, as its hash names them.
pub(super) fn indexes(found_by: &FoundBy) -> String {
    let FoundBy { user, tenant, client, sid } = found_by;
    let mut indexes = vec![Index::User.of(user), Index::Client.of(client), Index::Tenant.of(tenant)];
    indexes.extend(sid.as_ref().map(|sid| Index::Sid.of(sid)));
    indexes.join(" ")
}

/// A time as scripts compare it: nanoseconds in 21 digits, which reach to the year 9999. What is before 1970
/// is as good as over.
pub(super) fn time(time: Timestamp) -> String {
    format!("{:021}", time.as_nanosecond().max(0))
}

/// A time as indexes sort by it: a score is a double, which holds microseconds for some centuries yet.
pub(super) fn micros(at: Timestamp) -> String {
    let mut digits = time(at);
    digits.truncate(18);
    digits
}

/// The other way.
pub(super) fn time_of(digits: &[u8]) -> Option<Timestamp> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 21)?;
    Timestamp::from_nanosecond(digits.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_single_server_has_one_partition_and_a_cluster_uses_all_of_its() {
        let single = Keys::new("p:".to_owned(), false);
        assert_eq!(single.only_partition(), Some(single.partition("auth0|1")));
        let cluster = Keys::new("p:".to_owned(), true);
        assert_eq!(cluster.only_partition(), None);
        let mut used: Vec<u8> = (0..1000).map(|number| cluster.partition(&format!("auth0|{number}")).0).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used, (0..CLUSTER_PARTITIONS).collect::<Vec<_>>());
        assert_eq!(cluster.session(Partition(3), "x"), "p:{3}:s:x");
    }

    proptest! {
        #[test]
        fn times_sort_as_their_texts_and_come_back(a in 0..=Timestamp::MAX.as_nanosecond(), b in 0..=Timestamp::MAX.as_nanosecond()) {
            let [a, b] = [a, b].map(|nanoseconds| Timestamp::from_nanosecond(nanoseconds).expect("is in range"));
            prop_assert_eq!(a.cmp(&b), time(a).cmp(&time(b)));
            prop_assert_eq!(time_of(time(a).as_bytes()), Some(a));
        }

        #[test]
        fn names_come_back(bytes in any::<[u8; 32]>()) {
            let there = Digest::from_bytes(bytes);
            prop_assert_eq!(digest(name(&there).as_bytes()), Some(there));
        }
    }
}
