//! A client that every answer must satisfy: known headers alone, `no-store`, a request id.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Headers that an answer of the public listener may have. What is not here has leaked.
const ALLOWED: [&str; 25] = [
    "content-type",
    "content-length",
    "date",
    "cache-control",
    "vary",
    "x-request-id",
    "x-content-type-options",
    "set-cookie",
    "retry-after",
    "www-authenticate",
    "allow",
    "deprecation",
    "link",
    "location",
    "x-auth-user",
    "x-auth-tenant",
    "x-auth-email",
    "x-auth-email-verified",
    "x-auth-groups",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
    "access-control-max-age",
];

pub struct Client {
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    public: SocketAddr,
    ops: SocketAddr,
}

impl Client {
    pub fn new(public: SocketAddr, ops: SocketAddr) -> Self {
        Self { http: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http(), public, ops }
    }

    pub fn public(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(self, self.public, true, (method, path))
    }

    pub fn ops(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(self, self.ops, false, (method, path))
    }
}

/// A request being put together.
pub struct Request<'a> {
    client: &'a Client,
    is_public: bool,
    builder: http::request::Builder,
    form: Vec<(String, String)>,
    body: Option<(String, String)>,
}

impl<'a> Request<'a> {
    fn new(client: &'a Client, address: SocketAddr, is_public: bool, (method, path): (&str, &str)) -> Self {
        let builder = http::Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("http://{address}{path}"));
        Self { client, is_public, builder, form: Vec::new(), body: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn cookie(self, sid: &str) -> Self {
        self.header("cookie", &format!("sid={sid}"))
    }

    /// Adds members to the form.
    pub fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        self.form.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    pub fn body(mut self, content_type: &str, body: &str) -> Self {
        self.body = Some((content_type.to_owned(), body.to_owned()));
        self
    }

    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap()
    }

    /// The same, where there may be no answer at all.
    pub async fn try_send(self) -> Result<Answer, hyper_util::client::legacy::Error> {
        let form = || {
            (!self.form.is_empty()).then(|| {
                let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.form).finish();
                ("application/x-www-form-urlencoded".to_owned(), text)
            })
        };
        let (builder, body) = match self.body.clone().or_else(form) {
            Some((content_type, body)) => (self.builder.header("content-type", content_type), Bytes::from(body)),
            None => (self.builder, Bytes::new()),
        };
        let response = self.client.http.request(builder.body(Full::new(body)).unwrap()).await?;
        let (parts, body) = response.into_parts();
        let answer =
            Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() };
        if self.is_public {
            answer.check();
        }
        Ok(answer)
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    fn check(&self) {
        for name in self.headers.keys() {
            assert!(ALLOWED.contains(&name.as_str()), "{name} has leaked: {self:?}");
        }
        let cache = self.headers["cache-control"].to_str().unwrap();
        let is_document =
            self.headers.get("content-type").is_some_and(|it| it == "application/json") && self.status == 200;
        assert!(cache == "no-store" || (is_document && cache == "public, max-age=300"), "{cache}: {self:?}");
        assert!(self.headers.contains_key("x-request-id") && self.headers.contains_key("vary"));
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// `error` of a failed answer.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The session of a login.
    pub fn sid(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["cookie_sid"].as_str().unwrap().to_owned()
    }

    /// A member of a token answer.
    pub fn token(&self, name: &str) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {self:?}")).to_owned()
    }

    /// Status and `error` in one.
    pub fn outcome(&self) -> (u16, String) {
        (self.status.as_u16(), if self.status.is_success() { String::new() } else { self.error() })
    }
}
