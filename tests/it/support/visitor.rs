//! A visitor: a browser without a window. Keeps Auth0's cookies and fills in its page.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::Answer;

pub struct Visitor {
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    /// The beginning of the URLs that it goes to, and `name=value`.
    cookies: Vec<(String, String)>,
}

impl Visitor {
    pub fn new() -> Self {
        Self {
            http: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http(),
            cookies: Vec::new(),
        }
    }

    /// From Auth0's `/authorize` over its page to where it sends the browser with a code.
    pub async fn log_in(&mut self, authorize: &str, username: &str, password: &str) -> String {
        let page = location(&self.visit(authorize).await);
        if !page.contains("/u/login?") {
            return page;
        }
        assert!(self.visit(&page).await.text().contains("name=\"password\""));
        location(&self.fill_in(&page, &[("username", username), ("password", password)]).await)
    }

    /// One step, not followed.
    pub async fn visit(&mut self, url: &str) -> Answer {
        self.send("GET", url, String::new()).await
    }

    /// Sends a page's form to the page's own URL.
    pub async fn fill_in(&mut self, url: &str, form: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send("POST", url, body).await
    }

    async fn send(&mut self, method: &str, url: &str, body: String) -> Answer {
        let cookies: Vec<&str> =
            self.cookies.iter().filter(|(at, _)| url.starts_with(at)).map(|(_, pair)| &**pair).collect();
        let request = http::Request::builder()
            .method(method)
            .uri(url)
            .header("cookie", cookies.join("; "))
            .header("content-type", "application/x-www-form-urlencoded");
        let response = self.http.request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let base = url::Url::parse(url).unwrap().origin().ascii_serialization();
        for value in parts.headers.get_all("set-cookie") {
            let text = value.to_str().unwrap();
            let pair = text.split(';').next().unwrap().to_owned();
            let path = text.split("; ").find_map(|it| it.strip_prefix("Path=")).unwrap_or("/");
            let name = pair.split_once('=').unwrap().0.to_owned();
            let at = format!("{base}{path}");
            self.cookies.retain(|(have, old)| *have != at || old.split_once('=').unwrap().0 != name);
            self.cookies.push((at, pair));
        }
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }
}

/// Where a redirect leads.
fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 302, "{}", answer.text());
    answer.headers["location"].to_str().unwrap().to_owned()
}
