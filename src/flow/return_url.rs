//! Where a visitor may be sent after a login or a logout: held against the client's list, as browsers read it.
//!
//! What a caller names is parsed whole, and taken only as it is written after parsing: a URL that a browser, a
//! proxy and this process could read in three ways is refused and not repaired (RFC 9700 §4.11, lessons 2.11).

use percent_encoding::percent_decode_str;
use url::{Position, Url};

use crate::base::id::Host;
use crate::tenant::model::UrlTemplate;

/// Longer than any page's address that is meant well.
const LONGEST: usize = 2_048;

/// What an escaped path may not hide: dots, slashes, backslashes, and escapes of escapes.
const HIDDEN: [&str; 4] = ["%2e", "%2f", "%5c", "%25"];

/// A URL that a visitor may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnUrl(String);

impl ReturnUrl {
    /// One that was admitted when a login began, and has been sealed since.
    pub(super) fn sealed(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The root of the host that the visitor is on.
    pub(super) fn root() -> Self {
        Self("/".to_owned())
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With parameters at the end of its query, before its fragment.
    pub fn with_parameters(&self, parameters: &[(&str, &str)]) -> String {
        if parameters.is_empty() {
            return self.0.clone();
        }
        let (head, fragment) = match self.0.split_once('#') {
            Some((head, fragment)) => (head, Some(fragment)),
            None => (&*self.0, None),
        };
        let joint = if head.contains('?') { '&' } else { '?' };
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
        format!("{head}{joint}{query}{fragment}")
    }
}

/// The URL, if the list has it: exactly, or below an entry that ends in a slash. A path that begins with one slash
/// is on the host that the visitor is on.
pub fn admit(templates: &[UrlTemplate], host: &Host, wanted: &str) -> Option<ReturnUrl> {
    // A parser drops a blank at the end without a word.
    if wanted.len() > LONGEST || wanted.chars().any(char::is_control) || wanted.ends_with(' ') {
        return None;
    }
    let listed: Vec<String> = templates.iter().map(|template| template.for_host(host)).collect();
    if listed.iter().any(|entry| entry == wanted) {
        return Some(ReturnUrl(wanted.to_owned()));
    }
    let entries: Vec<Entry> = listed.iter().filter_map(|entry| Entry::parse(entry)).collect();
    let url = if wanted.starts_with('/') && !wanted.starts_with("//") {
        let own = entries.iter().find(|entry| is_on(&entry.url, host))?;
        parse(&format!("{}{wanted}", &own.url[..Position::BeforePath]))?
    } else {
        parse(wanted)?
    };
    entries.iter().any(|entry| entry.has(&url)).then(|| ReturnUrl(url.into()))
}

/// A web address of the list.
struct Entry {
    url: Url,
    /// Whether what lies below it is listed, too.
    is_prefix: bool,
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(is_web)?;
        // As written: the parser gives `https://app.acme.com` a slash that its author did not.
        let is_prefix = text.ends_with('/') && url.query().is_none() && url.fragment().is_none();
        Some(Self { url, is_prefix })
    }

    fn has(&self, url: &Url) -> bool {
        let is_below = || self.url.origin() == url.origin() && url.path().starts_with(self.url.path());
        self.url == *url || (self.is_prefix && is_below())
    }
}

/// The first of the list: where a visitor goes who names nothing.
pub fn first(templates: &[UrlTemplate], host: &Host) -> Option<ReturnUrl> {
    templates.first().map(|template| ReturnUrl(template.for_host(host)))
}

/// A web address that is written as everybody writes it, up to its query.
fn parse(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(is_web)?;
    let written = &text[..text.find(['?', '#']).unwrap_or(text.len())];
    let path = url.path().to_ascii_lowercase();
    let is_plain = url[..Position::AfterPath] == *written && !HIDDEN.iter().any(|hidden| path.contains(hidden));
    // Neither controls nor what another decoder could take for a dot.
    let is_text = percent_decode_str(&path).decode_utf8().is_ok_and(|text| !text.chars().any(char::is_control));
    let has_user = !url.username().is_empty() || url.password().is_some();
    (is_plain && is_text && !has_user && !path.contains("..") && !path.contains("//")).then_some(url)
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Whether a URL is on the host, port included.
pub(super) fn is_on(url: &Url, host: &Host) -> bool {
    let Some(name) = url.host_str() else { return false };
    let text = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    Host::parse(&text).is_ok_and(|parsed| parsed == *host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host() -> Host {
        Host::parse("app.acme.com").expect("is a host")
    }

    fn listed() -> Vec<UrlTemplate> {
        ["https://{host}/app/", "https://portal.acme.com/home"].map(UrlTemplate::new).to_vec()
    }

    fn admitted(wanted: &str) -> Option<String> {
        admit(&listed(), &host(), wanted).map(|url| url.as_str().to_owned())
    }

    /// The lines of the corpus, with their escapes resolved.
    fn corpus() -> Vec<String> {
        let lines = include_str!("return_url/corpus.txt").lines().filter_map(|line| line.strip_prefix('|'));
        lines.map(unescape).collect()
    }

    fn unescape(line: &str) -> String {
        let mut parts = line.split("\\u{");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (code, rest) = part.split_once('}').expect("an escape ends");
            let code = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
            text.push(code.expect("an escape is a character"));
            text.push_str(rest);
        }
        text
    }

    #[test]
    fn nothing_of_the_corpus_is_admitted() {
        let corpus = corpus();
        assert!(corpus.len() >= 300, "{} are left", corpus.len());
        for wanted in corpus {
            assert_eq!(admitted(&wanted), None, "{wanted:?}");
        }
        assert_eq!(admitted(&format!("https://app.acme.com/app/{}", "a".repeat(LONGEST))), None);
    }

    #[test]
    fn what_is_listed_passes() {
        for (wanted, expected) in [
            ("https://app.acme.com/app/", "https://app.acme.com/app/"),
            ("https://app.acme.com/app/cart?item=1&q=it's#top", "https://app.acme.com/app/cart?item=1&q=it%27s#top"),
            ("https://app.acme.com/app/caf%C3%A9%20x", "https://app.acme.com/app/caf%C3%A9%20x"),
            (
                "https://app.acme.com/app/?next=https://evil.example/",
                "https://app.acme.com/app/?next=https://evil.example/",
            ),
            ("https://portal.acme.com/home", "https://portal.acme.com/home"),
            ("/app/", "https://app.acme.com/app/"),
            ("/app/cart?item=1", "https://app.acme.com/app/cart?item=1"),
        ] {
            assert_eq!(admitted(wanted).as_deref(), Some(expected), "{wanted}");
        }
    }

    #[test]
    fn an_entry_without_a_slash_at_its_end_is_exact() {
        let listed = ["https://{host}", "https://{host}/home", "https://pay.acme.com"].map(UrlTemplate::new);
        let admitted = |wanted| admit(&listed, &host(), wanted).map(|url| url.as_str().to_owned());
        for (wanted, expected) in [
            ("https://app.acme.com", "https://app.acme.com"),
            ("https://app.acme.com/", "https://app.acme.com/"),
            ("https://pay.acme.com/", "https://pay.acme.com/"),
            ("/", "https://app.acme.com/"),
            ("/home", "https://app.acme.com/home"),
        ] {
            assert_eq!(admitted(wanted).as_deref(), Some(expected), "{wanted}");
        }
        for wanted in [
            "https://app.acme.com/admin",
            "https://pay.acme.com/admin",
            "https://pay.acme.com/?x=1",
            "https://pay.acme.com/#x",
            "/admin",
            "/home/",
            "/home/x",
            "/home?x=1",
            "//pay.acme.com",
            "//pay.acme.com/",
        ] {
            assert_eq!(admitted(wanted), None, "{wanted}");
        }
    }

    #[test]
    fn a_port_of_the_host_is_kept() {
        let host = Host::parse("app.acme.localhost:8080").expect("is a host");
        let listed = [UrlTemplate::new("http://{host}/")];
        let admitted = |wanted| admit(&listed, &host, wanted).map(|url| url.as_str().to_owned());
        assert_eq!(admitted("/x").as_deref(), Some("http://app.acme.localhost:8080/x"));
        assert_eq!(admitted("http://app.acme.localhost:8080/x").as_deref(), Some("http://app.acme.localhost:8080/x"));
        assert_eq!(admitted("http://app.acme.localhost:8081/x"), None);
        assert_eq!(admitted("http://app.acme.localhost/x"), None);
    }

    #[test]
    fn parameters_stand_before_the_fragment() {
        let with = |text: &str| ReturnUrl::sealed(text).with_parameters(&[("state", "a b"), ("error", "x&y")]);
        assert_eq!(with("https://a/"), "https://a/?state=a+b&error=x%26y");
        assert_eq!(with("https://a/?x=1#top"), "https://a/?x=1&state=a+b&error=x%26y#top");
        assert_eq!(ReturnUrl::sealed("https://a/#top").with_parameters(&[]), "https://a/#top");
    }

    proptest! {
        #[test]
        fn whatever_is_admitted_lies_below_what_is_listed(
            wanted in "(https://app.acme.com/app/|/app/|https://|//|/)?[a-z./@:%\\\\?#2ef5c\\t ]{0,40}"
        ) {
            if let Some(url) = admitted(&wanted) {
                let url = Url::parse(&url).expect("is a URL");
                prop_assert_eq!(url.host_str(), Some("app.acme.com"));
                prop_assert!(url.path().starts_with("/app/") && url.scheme() == "https");
            }
        }
    }
}
