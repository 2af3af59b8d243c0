//! Stub until the guard lands.
use crate::base::id::Host;
use crate::tenant::model::UrlTemplate;
/// A URL that a visitor may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnUrl(String);
impl ReturnUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Again.
    pub fn admitted(text: &str) -> Self {
        Self(text.to_owned())
    }
    /// With parameters.
    pub fn with_parameters(&self, parameters: &[(&str, &str)]) -> String {
        if parameters.is_empty() {
            return self.0.clone();
        }
        let sep = if self.0.contains('?') { "&" } else { "?" };
        format!("{}{sep}{}", self.0, form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
    }
}
/// Admits.
pub fn admit(templates: &[UrlTemplate], host: &Host, wanted: &str) -> Option<ReturnUrl> {
    templates
        .iter()
        .map(|t| t.for_host(host))
        .any(|t| wanted == t || (t.ends_with('/') && wanted.starts_with(&t)))
        .then(|| ReturnUrl(wanted.to_owned()))
}
/// The first.
pub fn first(templates: &[UrlTemplate], host: &Host) -> Option<ReturnUrl> {
    templates.first().map(|t| ReturnUrl(t.for_host(host)))
}
