//! What stands behind the gateway, and the least that could stand between.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::answers::{Ready, empty, json};
use super::server;

/// What a tenant answers, by path. The first segment says whose: `/plain` gives no ID token, `/openid` one for
/// `BenchApi`, `/web` one for `BenchWeb`. Whoever the caller is, the answer is the same.
struct Tenant {
    plain: Ready,
    openid: Ready,
    web: Ready,
    userinfo: Ready,
    keys: Ready,
    userinfo_calls: AtomicU64,
}

/// Long enough that calls made at once are under way at once.
const SLOWLY: Duration = Duration::from_millis(200);

/// Serves until the process is killed.
pub(super) fn serve(listen: SocketAddr, folder: &Path) -> io::Result<String> {
    let tenant = Arc::new(Tenant {
        plain: json(folder, "token-plain.json")?,
        openid: json(folder, "token-openid.json")?,
        web: json(folder, "token-web.json")?,
        userinfo: json(folder, "userinfo.json")?,
        keys: json(folder, "jwks.json")?,
        userinfo_calls: AtomicU64::new(0),
    });
    server::serve(listen, move |request| {
        let tenant = Arc::clone(&tenant);
        async move { tenant.answer(request).await }
    })
}

impl Tenant {
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Ready> {
        let (head, mut body) = request.into_parts();
        // Read to its end, so that the connection can be used again.
        while let Some(frame) = body.frame().await {
            frame.map_err(io::Error::other)?;
        }
        let (whose, what) =
            head.uri.path().split_at(head.uri.path().get(1..).and_then(|it| it.find('/')).unwrap_or(0) + 1);
        Ok(match (whose, what) {
            ("/openid", "/oauth/token") => self.openid.clone(),
            ("/web", "/oauth/token") => self.web.clone(),
            (_, "/oauth/token") => self.plain.clone(),
            (_, "/userinfo") => {
                self.userinfo_calls.fetch_add(1, Ordering::Relaxed);
                if whose == "/slow" {
                    tokio::time::sleep(SLOWLY).await;
                }
                self.userinfo.clone()
            }
            (_, "/.well-known/jwks.json") => self.keys.clone(),
            (_, "/calls") => Response::new(Full::new(self.userinfo_calls.load(Ordering::Relaxed).to_string().into())),
            _ => empty(StatusCode::NOT_FOUND),
        })
    }
}

/// Passes everything on with hyper-util's client, as the gateway's token path does.
pub(super) fn proxy(listen: SocketAddr, upstream: &Uri) -> io::Result<String> {
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build_http();
    let base = upstream.to_string();
    let base: Arc<str> = base.trim_end_matches('/').into();
    server::serve(listen, move |mut request: Request<Incoming>| {
        let (client, base) = (client.clone(), Arc::clone(&base));
        async move {
            let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
            *request.uri_mut() = format!("{base}{path}").parse().map_err(io::Error::other)?;
            request.headers_mut().remove(http::header::HOST);
            client.request(request).await.map_err(io::Error::other)
        }
    })
}
