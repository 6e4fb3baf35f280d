//! What a route says about header fields.

use super::app::App;
use super::client_cert::ClientCertFields;
use super::cookies::CookieRules;
use super::edits::Edits;
use super::forwarded::Forwarding;
use super::hsts::Hsts;
use super::redirects::RedirectRules;
use super::upstream_host::UpstreamHost;

/// What is done to the header fields of a route's requests and responses, besides what is done to all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// What the backend is told about the client's side.
    pub forwarding: Forwarding,
    /// What it is told about the client's certificate.
    pub client_cert: ClientCertFields,
    /// The application whose own words for it are used.
    pub app: Option<App>,
    /// Which Host the backend is sent.
    pub upstream_host: UpstreamHost,
    /// Which redirects are rewritten.
    pub redirects: RedirectRules,
    /// What becomes of cookies.
    pub cookies: CookieRules,
    /// Whether browsers fetch what pages link to over https, whatever the links say.
    pub upgrade_insecure_requests: bool,
    /// For how long browsers come back over https alone.
    pub hsts: Option<Hsts>,
    /// What the operator does to requests.
    pub request: Edits,
    /// What the operator does to responses.
    pub response: Edits,
}
