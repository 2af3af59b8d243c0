//! `GET /callback`: back from Auth0's page with a code.

use http::header;

use super::super::body::BodyError;
use super::super::cookie;
use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::service::Incoming;
use super::super::transaction_cookie;
use super::{query, session_cookie};
use crate::flow::Call;
use crate::flow::login::Transaction;
use crate::flow::login::callback::{self, CallbackError, Landed, Landing};
use crate::flow::login::transaction::{TransactionError, cookie_name};

/// Finishes a login. The transaction says whose it is, and the headers must agree.
pub(in super::super) async fn answer(incoming: &Incoming<'_>, exchange: &mut Exchange<'_>) -> Result<Reply, Failure> {
    let mut query = query(incoming).map_err(|error| Failure::Body(BodyError::Parameters(error)))?;
    let missing = || Failure::Callback(CallbackError::Transaction(TransactionError::Missing));
    let name = cookie_name(&query.take("state").ok_or_else(missing)?);
    let transport = incoming.cookie_transport();
    let sealed = transaction_cookie::find(&incoming.parts.headers, &name, transport).ok_or_else(missing)?;
    let services = &incoming.service.services;
    let transaction = Transaction::open(services, &incoming.facts.host, &name, sealed)
        .map_err(|error| Failure::Callback(CallbackError::Transaction(error)))?;
    let call = incoming.call_of(transaction.client_type(), exchange)?;
    let result = match (query.take_secret("code"), query.take("error")) {
        (Some(code), None) => Ok(code),
        (None, Some(error)) => Err(error),
        (None, None) | (Some(_), Some(_)) => return Err(Failure::Callback(CallbackError::MixUp)),
    };
    let landing = Landing { path: incoming.path(), iss: query.take("iss"), result };
    let brought = session_cookie(incoming, &call)?;
    let finished = callback::finish(services, &call, transaction, landing, brought).await;
    let is_spent = finished.as_ref().map_or_else(CallbackError::is_spent, |_| true);
    let mut reply = match finished.map_err(Failure::Callback) {
        Ok(landed) => to_the_page(incoming, &call, &landed)?,
        Err(failure) => {
            exchange.failed(&failure);
            failure.reply()
        }
    };
    let same_site = call.client.session.same_site;
    if is_spent && let Some(value) = transaction_cookie::clear(&name, same_site, transport) {
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(reply)
}

fn to_the_page(incoming: &Incoming<'_>, call: &Call, landed: &Landed) -> Result<Reply, Failure> {
    let mut reply = reply::found(&landed.location)?;
    let set = landed.session.as_ref().and_then(|id| cookie::set(&call.client.session, id, incoming.cookie_transport()));
    if let Some(value) = set {
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(reply)
}
