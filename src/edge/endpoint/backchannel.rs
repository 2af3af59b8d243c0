//! `POST /backchannel-logout`: Auth0 itself calls, for any tenant.

use bytes::Bytes;
use http::StatusCode;
use hyper::body::Body;

use super::super::body;
use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::service::Incoming;
use crate::flow::backchannel;

/// Answers 200 once the sessions are over, also where there were none: Auth0 need not know.
pub(in super::super) async fn answer<B>(
    incoming: &Incoming<'_>,
    body: B,
    exchange: &mut Exchange<'_>,
) -> Result<Reply, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut parameters = body::parameters(&incoming.parts.headers, body).await.map_err(Failure::Body)?;
    let services = &incoming.service.services;
    let notice = backchannel::read(services, &incoming.registry, parameters.take_secret("logout_token"));
    let notice = notice.map_err(Failure::Backchannel)?;
    exchange.notified(&notice);
    backchannel::run(services, notice).await.map_err(Failure::Backchannel)?;
    Ok(reply::empty(StatusCode::OK))
}
