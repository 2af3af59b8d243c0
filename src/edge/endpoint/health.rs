//! `/-/healthz`, `/-/ready`, `/-/check-up`: constant bodies, no tenant.

use http::StatusCode;

use super::super::reply::{self, Reply};
use super::super::service::PublicService;
use crate::flow::status::{self, Readiness};

/// Whether traffic may come.
pub(in super::super) fn ready(readiness: &Readiness) -> Reply {
    if readiness.is_ready() {
        reply::text(StatusCode::OK, "ok\n")
    } else {
        reply::text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

/// Whether everything is as it should be: for people, not for probes.
pub(in super::super) async fn check_up(service: &PublicService) -> Reply {
    let is_well = status::is_well(&service.services, &service.reloader.status()).await;
    if is_well {
        reply::text(StatusCode::OK, "ok\n")
    } else {
        reply::text(StatusCode::SERVICE_UNAVAILABLE, "not well\n")
    }
}
