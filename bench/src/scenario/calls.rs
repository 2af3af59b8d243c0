//! From a caller to requests. Everything that stays the same is put together once.

use anyhow::Context as _;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::callers::Caller;
use crate::load::Call;

/// RFC 7636, appendix B: no secret.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A caller's requests, ready but for the credential.
#[derive(Debug)]
pub(super) struct Ready {
    host: Box<str>,
    headers: HeaderMap,
    form_headers: HeaderMap,
    password: Bytes,
    password_offline: Bytes,
    client_credentials: Bytes,
    authorize: Bytes,
}

impl Ready {
    pub(super) fn new(caller: &Caller) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert("client-type", HeaderValue::from_str(&caller.client_type).context("`client_type`")?);
        for (name, value) in &caller.headers {
            let name: HeaderName = name.parse().with_context(|| format!("the header {name}"))?;
            headers.insert(name, HeaderValue::from_str(value).context("a header's value")?);
        }
        let mut form_headers = headers.clone();
        form_headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let user = [caller.username.as_deref(), caller.password.as_deref()].map(Option::unwrap_or_default);
        let login = [("grant_type", "password"), ("username", user[0]), ("password", user[1])];
        let own = [caller.client_id.as_deref(), caller.client_secret.as_deref()].map(Option::unwrap_or_default);
        let own = [("client_id", own[0]), ("client_secret", own[1])];
        let offline = ("scope", "openid offline_access");
        let mut query = vec![("response_type", "code"), ("state", "bench")];
        if let Some(redirect_uri) = &caller.redirect_uri {
            query.extend([("redirect_uri", redirect_uri.as_str()), ("code_challenge", CHALLENGE)]);
            query.push(("code_challenge_method", "S256"));
        }
        Ok(Self {
            host: caller.host.as_str().into(),
            headers,
            form_headers,
            // Where tokens are answered, no refresh token is asked for: each would push an older one out.
            password: if caller.session { form(&login) } else { form(&[&login[..], &[("scope", "openid")]].concat()) },
            password_offline: form(&[&login[..], &[offline]].concat()),
            client_credentials: form(&[("grant_type", "client_credentials"), own[0], own[1]]),
            authorize: [b"/authorize?".as_slice(), &form(&query)].concat().into(),
        })
    }

    fn call(&self, method: Method, target: &'static str) -> Call {
        let target = Bytes::from_static(target.as_bytes());
        Call { method, target, host: self.host.clone(), headers: self.headers.clone(), body: Bytes::new() }
    }

    fn token(&self, body: Bytes) -> Call {
        Call { headers: self.form_headers.clone(), body, ..self.call(Method::POST, "/oauth/token") }
    }

    pub(super) fn login(&self) -> Call {
        self.token(self.password.clone())
    }

    pub(super) fn login_for_refresh_token(&self) -> Call {
        self.token(self.password_offline.clone())
    }

    pub(super) fn client_credentials(&self) -> Call {
        self.token(self.client_credentials.clone())
    }

    pub(super) fn refresh(&self, token: &str) -> Call {
        self.token(form(&[("grant_type", "refresh_token"), ("refresh_token", token)]))
    }

    pub(super) fn renew_session(&self, cookie: &HeaderValue) -> Call {
        self.with_cookie(Method::POST, "/refreshtoken", cookie)
    }

    pub(super) fn userinfo_of_session(&self, cookie: &HeaderValue) -> Call {
        self.with_cookie(Method::GET, "/userinfo", cookie)
    }

    pub(super) fn userinfo_of_bearer(&self, bearer: &HeaderValue) -> Call {
        let mut call = self.call(Method::GET, "/userinfo");
        call.headers.insert(header::AUTHORIZATION, bearer.clone());
        call
    }

    pub(super) fn authorize(&self) -> Call {
        Call { target: self.authorize.clone(), ..self.call(Method::GET, "/") }
    }

    pub(super) fn logout(&self, cookie: &HeaderValue) -> Call {
        self.with_cookie(Method::POST, "/logout", cookie)
    }

    fn with_cookie(&self, method: Method, target: &'static str, cookie: &HeaderValue) -> Call {
        let mut call = self.call(method, target);
        call.headers.insert(header::COOKIE, cookie.clone());
        call
    }
}

/// A request without any header.
pub(super) fn get(target: &str, host: &str) -> Call {
    let target = Bytes::copy_from_slice(target.as_bytes());
    Call { method: Method::GET, target, host: host.into(), headers: HeaderMap::new(), body: Bytes::new() }
}

fn form(pairs: &[(&str, &str)]) -> Bytes {
    Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes().into()
}
