//! URLs and origins of a client.

use url::Url;

use super::super::file::Text;
use super::super::model::UrlTemplate;
use super::Context;

/// Which URLs a list may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schemes {
    /// https, and http on this machine's own names.
    Web,
    /// An app's own scheme too (RFC 8252 §7.1).
    WebOrApp,
}

pub(super) fn list(
    context: &mut Context<'_>,
    path: &str,
    texts: Option<Vec<Text>>,
    schemes: Schemes,
) -> Vec<UrlTemplate> {
    let mut urls = Vec::new();
    for (index, text) in texts.unwrap_or_default().iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(text) = context.text(&path, text) else { continue };
        match check(&text, schemes) {
            Ok(()) => urls.push(UrlTemplate::new(text)),
            Err(why) => context.error(path, why),
        }
    }
    urls
}

fn check(text: &str, schemes: Schemes) -> Result<(), &'static str> {
    const NO_URL: &str = "not an https URL; http is for localhost and names below it";
    let own_host = text.starts_with("https://{host}/")
        || text.starts_with("http://{host}/")
        || text == "https://{host}"
        || text == "http://{host}";
    if text.matches('{').count() != usize::from(own_host) {
        return Err("`{host}` may stand for the whole host, as in https://{host}/callback, and nowhere else");
    }
    let url = Url::parse(&text.replacen("{host}", "host.localhost", 1)).map_err(|_| NO_URL)?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("a URL without user, password and fragment");
    }
    if text.contains('\\') || text.contains(|byte: char| byte.is_ascii_control() || byte == ' ') {
        return Err(NO_URL);
    }
    let is_local = url.host_str().is_some_and(|host| {
        host == "localhost" || host.ends_with(".localhost") || host == "127.0.0.1" || host == "[::1]"
    });
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_local => Ok(()),
        "http" | "javascript" | "data" | "file" | "blob" | "ftp" => Err(NO_URL),
        _ if schemes == Schemes::WebOrApp && url.scheme().contains('.') => Ok(()),
        _ => Err(NO_URL),
    }
}

/// Canonical origins: what browsers send, byte by byte.
pub(super) fn origins(context: &mut Context<'_>, path: &str, texts: Option<Vec<Text>>) -> Vec<Box<str>> {
    let mut origins = Vec::new();
    for (index, text) in texts.unwrap_or_default().iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(text) = context.text(&path, text) else { continue };
        let canonical = Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .map(|url| url.origin().ascii_serialization());
        match canonical {
            Some(canonical) if canonical == text.trim_end_matches('/') => origins.push(canonical.into()),
            _ => context.error(path, "not an origin: scheme, host and port as browsers send them, such as https://app.acme.com; no `*`, no `null`"),
        }
    }
    origins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_https_or_local_and_its_host_whole() {
        for text in [
            "https://app.acme.com/cb",
            "https://{host}/callback",
            "http://{host}/callback",
            "http://localhost:3000/cb",
            "http://app.acme.localhost/",
        ] {
            assert_eq!(check(text, Schemes::Web), Ok(()), "{text}");
        }
        for text in [
            "http://app.acme.com/cb",
            "ftp://app.acme.com",
            "https://a@b/",
            "https://a/#x",
            "https://{host}.evil.example/",
            "https://evil.example/{host}",
            "https://x{host}/",
            "javascript:alert(1)",
            "//evil.example",
            "https:\\\\evil",
            "com.acme.app://cb",
            "https://{tenant}/",
        ] {
            assert!(check(text, Schemes::Web).is_err(), "{text}");
        }
        assert_eq!(check("com.acme.app://callback", Schemes::WebOrApp), Ok(()));
        assert!(check("javascript:alert(1)", Schemes::WebOrApp).is_err());
    }
}
