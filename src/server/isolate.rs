//! Around each request: who is calling, the bound on header lines, and a wall against panics.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::Service;

use super::activity::Activity;
use super::connection::{BoxError, ConnectionInfo, MAX_HEADERS};

/// What goes over the wire: the service's answer, or one of this file's.
pub(super) type Answer<B> = Response<Either<B, Full<Bytes>>>;

/// A service on one connection.
pub(super) struct Isolated<S> {
    pub(super) service: S,
    pub(super) connection: ConnectionInfo,
    pub(super) activity: Arc<Activity>,
}

impl<S, B> Service<Request<Incoming>> for Isolated<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: 'static,
{
    type Response = Answer<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer<B>, BoxError>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let unanswered = self.activity.request(request.version() == Version::HTTP_2);
        if request.headers().len() > MAX_HEADERS {
            // hyper counts the lines of HTTP/1 alone.
            return Box::pin(async { Ok(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)) });
        }
        request.extensions_mut().insert(self.connection.clone());
        // In a box of its own before anything wraps it: a future that is moved is copied, and each wrapper that
        // takes it by value holds it twice.
        let called = catch_unwind(AssertUnwindSafe(|| Box::pin(self.service.call(request))));
        Box::pin(async move {
            let answered = match called {
                Ok(answer) => unless_it_panics(answer).await,
                Err(_) => None,
            };
            drop(unanswered);
            let Some(answered) = answered else {
                // The panic's text is the hook's to log; it may quote what a request held.
                tracing::error!("a request ended in a panic");
                return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR));
            };
            answered.map(|answer| answer.map(Either::Left)).map_err(Into::into)
        })
    }
}

/// The future's output, or `None` where it panicked. It is not polled again after that.
///
/// The unwind is safe in the sense of `UnwindSafe`: what the future owned is dropped with it, and what
/// requests share lies behind locks that do not trust a poisoned value's invariants.
async fn unless_it_panics<F: Future>(mut future: Pin<Box<F>>) -> Option<F::Output> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// The last resort's answers: the shape of RFC 6749 §5.2, and no more than the status says.
fn refusal<B>(status: StatusCode) -> Answer<B> {
    let body = if status == StatusCode::INTERNAL_SERVER_ERROR {
        r#"{"error":"server_error","error_description":"Something went wrong here."}"#
    } else {
        r#"{"error":"invalid_request","error_description":"Too many header fields."}"#
    };
    let mut response = Response::new(Either::Right(Full::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
