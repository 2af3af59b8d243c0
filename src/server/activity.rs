//! What a connection does, so that one which does nothing can be closed.
//!
//! hyper's own time-out starts anew with every keep-alive wait and costs a timer a request; it also
//! does not cover the first bytes, before the version is known. This one is a timer a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What the socket and the service tell. Written on one task a connection (and by its HTTP/2 streams),
/// read after each poll; nothing is ordered by it.
#[derive(Debug, Default)]
pub(super) struct Activity {
    read: AtomicBool,
    written: AtomicBool,
    closing: AtomicBool,
    is_http2: AtomicBool,
    /// Requests whose head was read, since the beginning.
    heads: AtomicU64,
    /// Requests that the service has not answered yet.
    unanswered: AtomicUsize,
}

impl Activity {
    /// A head was read. The guard is held until the service has answered.
    pub(super) fn request(self: &Arc<Self>, is_http2: bool) -> Unanswered {
        self.heads.fetch_add(1, Ordering::Relaxed);
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        if is_http2 {
            self.is_http2.store(true, Ordering::Relaxed);
        }
        Unanswered(self.clone())
    }
}

/// A request that the service has not answered yet.
pub(super) struct Unanswered(Arc<Activity>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.unanswered.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a connection may take over what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a head, from its first byte, or from the accept for the first one.
    pub(super) head: Duration,
    /// Without a request under way and without a byte in or out.
    pub(super) idle: Duration,
    /// For the other side to close, once we have.
    pub(super) goodbye: Duration,
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// A head that does not end.
    Head,
    /// Nothing is under way.
    Idle,
    /// The other side does not close.
    Goodbye,
}

/// Works out when a connection is overdue.
pub(super) struct Watchdog {
    activity: Arc<Activity>,
    patience: Patience,
    heads: u64,
    head_began: Option<Instant>,
    last_moved: Instant,
    goodbye_began: Option<Instant>,
}

impl Watchdog {
    pub(super) fn new(activity: Arc<Activity>, patience: Patience, accepted: Instant) -> Self {
        let head_began = Some(accepted);
        Self { activity, patience, heads: 0, head_began, last_moved: accepted, goodbye_began: None }
    }

    /// To be called after each poll of the connection: when it will be overdue if nothing happens, and for
    /// what. `None` while the service works on a request: then the time is the service's to bound.
    pub(super) fn observe(&mut self) -> Option<(Instant, Overdue)> {
        let activity = self.activity.clone();
        let read = activity.read.swap(false, Ordering::Relaxed);
        if read | activity.written.swap(false, Ordering::Relaxed) {
            self.last_moved = Instant::now();
        }
        if activity.closing.load(Ordering::Relaxed) {
            self.say_goodbye();
        }
        if let Some(began) = self.goodbye_began {
            return Some((began + self.patience.goodbye, Overdue::Goodbye));
        }
        let heads = activity.heads.load(Ordering::Relaxed);
        let is_unanswered = activity.unanswered.load(Ordering::Relaxed) > 0;
        if heads != self.heads || is_unanswered {
            self.heads = heads;
            self.head_began = None;
        } else if read && !activity.is_http2.load(Ordering::Relaxed) {
            // HTTP/2 also reads pings and window updates; there a stream's head is bounded by its size.
            self.head_began.get_or_insert(self.last_moved);
        }
        match self.head_began {
            _ if is_unanswered => None,
            Some(began) => Some((began + self.patience.head, Overdue::Head)),
            None => Some((self.last_moved + self.patience.idle, Overdue::Idle)),
        }
    }

    /// We are done with the connection: the other side has a moment to see it.
    pub(super) fn say_goodbye(&mut self) {
        self.goodbye_began.get_or_insert_with(Instant::now);
    }
}

/// How much of what the other side still sends is read and thrown away after our last byte.
const DRAINED: usize = 256 * 1024;

/// A socket that tells the [`Activity`], and closes so that its last answer arrives.
pub(super) struct ObservedSocket<S> {
    socket: S,
    activity: Arc<Activity>,
    drained: usize,
}

impl<S> ObservedSocket<S> {
    pub(super) fn new(socket: S, activity: Arc<Activity>) -> Self {
        Self { socket, activity, drained: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ObservedSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.read.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ObservedSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, buf));
        self.activity.written.store(true, Ordering::Relaxed);
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, bufs));
        self.activity.written.store(true, Ordering::Relaxed);
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Closes our side, then reads what is still under way: a socket closed with unread bytes in it sends
    /// a reset, which takes a 413 or 431 away from the caller before it was read (RFC 9112 §9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        self.activity.closing.store(true, Ordering::Relaxed);
        let mut scratch = [0; 4096];
        while self.drained < DRAINED {
            let mut buf = ReadBuf::new(&mut scratch);
            let drained = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf));
            if drained.is_err() || buf.filled().is_empty() {
                break;
            }
            self.drained += buf.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn watchdog() -> (Watchdog, Arc<Activity>, Instant) {
        let activity = Arc::new(Activity::default());
        let patience = Patience { head: 10 * SECOND, idle: 75 * SECOND, goodbye: 2 * SECOND };
        let now = Instant::now();
        (Watchdog::new(activity.clone(), patience, now), activity, now)
    }

    /// A request came and was answered.
    fn answered(watchdog: &mut Watchdog, activity: &Arc<Activity>, is_http2: bool) {
        activity.read.store(true, Ordering::Relaxed);
        let unanswered = activity.request(is_http2);
        assert_eq!(watchdog.observe(), None);
        drop(unanswered);
        activity.written.store(true, Ordering::Relaxed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_dribbles_has_its_time_from_the_first_byte() {
        let (mut watchdog, activity, accepted) = watchdog();
        assert_eq!(watchdog.observe(), Some((accepted + 10 * SECOND, Overdue::Head)));
        answered(&mut watchdog, &activity, false);
        let idle_from = Instant::now();
        assert_eq!(watchdog.observe(), Some((idle_from + 75 * SECOND, Overdue::Idle)));
        advance(40 * SECOND).await;
        let began = Instant::now();
        for _ in 0..5 {
            activity.read.store(true, Ordering::Relaxed);
            assert_eq!(watchdog.observe(), Some((began + 10 * SECOND, Overdue::Head)));
            advance(SECOND).await;
        }
        answered(&mut watchdog, &activity, false);
        assert_eq!(watchdog.observe(), Some((Instant::now() + 75 * SECOND, Overdue::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn http2_may_ping_between_requests() {
        let (mut watchdog, activity, _) = watchdog();
        answered(&mut watchdog, &activity, true);
        watchdog.observe();
        advance(40 * SECOND).await;
        activity.read.store(true, Ordering::Relaxed);
        assert_eq!(watchdog.observe(), Some((Instant::now() + 75 * SECOND, Overdue::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_goodbye_is_not_put_off() {
        let (mut watchdog, activity, _) = watchdog();
        answered(&mut watchdog, &activity, false);
        activity.closing.store(true, Ordering::Relaxed);
        let due = Some((Instant::now() + 2 * SECOND, Overdue::Goodbye));
        assert_eq!(watchdog.observe(), due);
        advance(SECOND).await;
        activity.read.store(true, Ordering::Relaxed);
        assert_eq!(watchdog.observe(), due);
    }

    /// A socket whose other side has sent more than fits between them, and that side.
    fn socket() -> (ObservedSocket<DuplexStream>, DuplexStream, Arc<Activity>) {
        let (socket, peer) = duplex(64);
        let activity = Arc::new(Activity::default());
        (ObservedSocket::new(socket, activity.clone()), peer, activity)
    }

    #[tokio::test]
    async fn a_close_takes_in_what_the_other_side_still_sends() {
        let (mut socket, mut peer, activity) = socket();
        let send = async move { peer.write_all(&[0; 10_000]).await };
        // The socket goes with its shutdown, as a connection's does.
        let (closed, taken) = tokio::join!(async move { socket.shutdown().await }, send);
        assert!(closed.is_ok() && taken.is_ok());
        assert!(activity.closing.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_close_does_not_take_in_without_end() {
        let (mut socket, mut peer, _) = socket();
        let send = async move { while peer.write_all(&[0; 1024]).await.is_ok() {} };
        tokio::select! {
            closed = socket.shutdown() => assert!(closed.is_ok()),
            () = send => panic!("the other side was cut off before its limit"),
        }
    }
}
