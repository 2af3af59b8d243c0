//! What systemd is told (`sd_notify(3)`). Without `NOTIFY_SOCKET` nothing is.

use std::time::Duration;

use sd_notify::NotifyState;

/// A change worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// Listeners are bound and tenants loaded; also the end of a reload.
    Ready,
    /// A reload began; [`ServiceState::Ready`] must follow.
    Reloading,
    /// On the way out.
    Stopping,
    /// Still turning, for the watchdog.
    Alive,
}

/// Tells it. A failure is a debug line: the service goes on without its supervisor.
pub fn tell(state: ServiceState) {
    let told = match state {
        ServiceState::Ready => sd_notify::notify(&[NotifyState::Ready]),
        // systemd 253 wants the moment too, to tell this READY from an earlier one.
        ServiceState::Reloading => {
            NotifyState::monotonic_usec_now().and_then(|moment| sd_notify::notify(&[NotifyState::Reloading, moment]))
        }
        ServiceState::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        ServiceState::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = told {
        tracing::debug!(%error, ?state, "systemd was not told");
    }
}

/// Within which time systemd wants to hear of us; `None` where it does not watch.
pub fn watchdog_time() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|time| !time.is_zero())
}
