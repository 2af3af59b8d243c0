//! Hears of sessions that other replicas changed, so that this one forgets its copies.
//!
//! Owns one subscribed connection of its own. Whatever makes it deaf empties the cache: its end is told at
//! once; a server that is frozen, or a network that swallows, is found by asking whether it is still the primary.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Msg, PushInfo, PushKind, RedisError};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::connection::{is_no_primary, pause};
use super::{RedisStore, keys};
use crate::session::StoreError;

/// How often the server is asked whether it is still the primary, and what it may take to answer: with both a logout
/// at another replica holds here within a second, whatever broke (contract §4).
const ASK_EVERY: Duration = Duration::from_millis(250);
const ASK_DEADLINE: Duration = Duration::from_millis(300);

/// Why nothing is heard any more.
#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error("no connection for commands")]
    Unreachable(#[source] StoreError),
    #[error("Redis refused or broke off the subscription")]
    Refused(#[source] RedisError),
    #[error("no answer from Redis in time")]
    TooSlow,
    #[error("the subscribed connection ended")]
    Ended,
    #[error("the connection for commands has ended: the primary may be another one")]
    Moved,
}

impl RedisStore {
    /// Listens until `closing`. Without it every read asks Redis.
    pub async fn follow(self: Arc<Self>, closing: CancellationToken) {
        let mut turn = 0;
        while !closing.is_cancelled() {
            let listening = async {
                match self.listen(turn).await {
                    Err(deaf) => deaf,
                    Ok(never) => match never {},
                }
            };
            tokio::select! {
                deaf = listening => {
                    self.cache.cease();
                    tracing::debug!(error = &deaf as &dyn std::error::Error, "changes of sessions are not heard of");
                }
                () = closing.cancelled() => self.cache.cease(),
            }
            turn += 1;
            tokio::select! {
                () = tokio::time::sleep(pause(&*self.parts.random)) => {}
                () = closing.cancelled() => {}
            }
        }
    }

    async fn listen(&self, turn: usize) -> Result<Infallible, Deaf> {
        // Before the subscription: what leads to another primary then is seen as another connection.
        let beside = self.connection.open_number().await.map_err(Deaf::Unreachable)?;
        let heard = self.listen_beside(beside, turn).await;
        if let Err(Deaf::Refused(error)) = &heard
            && is_no_primary(error.kind())
        {
            // The same server answers reads still, with what was true a while ago.
            self.connection.give_up(beside);
        }
        heard
    }

    async fn listen_beside(&self, beside: u64, turn: usize) -> Result<Infallible, Deaf> {
        let (sender, pushes) = unbounded_channel();
        let opened = tokio::time::timeout(self.parts.deadlines.open, self.subscribe(turn, sender)).await;
        let connection = opened.map_err(|_| Deaf::TooSlow)?.map_err(Deaf::Refused)?;
        self.cache.begin();
        tokio::select! {
            deaf = self.hear(pushes) => Err(deaf),
            deaf = self.stay(connection, beside) => Err(deaf),
        }
    }

    async fn subscribe(
        &self,
        turn: usize,
        sender: tokio::sync::mpsc::UnboundedSender<PushInfo>,
    ) -> Result<MultiplexedConnection, RedisError> {
        let pushed = move |push| sender.send(push).map_err(drop);
        let mut connection = self.primary.connect_to_one(turn, pushed).await?;
        connection.subscribe(self.keys.channel()).await?;
        Ok(connection)
    }

    async fn hear(&self, mut pushes: UnboundedReceiver<PushInfo>) -> Deaf {
        while let Some(push) = pushes.recv().await {
            if push.kind == PushKind::Disconnection {
                break;
            }
            if let Some(name) = Msg::from_push_info(push).and_then(|told| keys::digest(told.get_payload_bytes())) {
                self.cache.forget(&name);
            }
        }
        Deaf::Ended
    }

    async fn stay(&self, mut connection: MultiplexedConnection, beside: u64) -> Deaf {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            if !self.connection.is_in_use(beside) {
                return Deaf::Moved;
            }
            match tokio::time::timeout(ASK_DEADLINE, self.primary.confirm(&mut connection)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Deaf::Refused(error),
                Err(_) => return Deaf::TooSlow,
            }
        }
    }
}
