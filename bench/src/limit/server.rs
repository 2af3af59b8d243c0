//! One thread, one connection a task, HTTP/1.1.

use std::io;
use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::answers::Ready;

/// Answers everything alike.
pub(super) fn fixed(listen: SocketAddr, answer: Ready) -> io::Result<String> {
    serve(listen, move |_| std::future::ready(Ok(answer.clone())))
}

/// Serves until the process is killed.
pub(super) fn serve<H, F, B>(listen: SocketAddr, handler: H) -> io::Result<String>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<Response<B>>> + Send + 'static,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(listen).await?;
        let tasks = TaskTracker::new();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let handler = handler.clone();
            tasks.spawn(async move {
                // A caller that hangs up is no failure of the server's.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(handler)).await;
            });
        }
    })
}
