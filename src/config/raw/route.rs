//! `[[route]]` as it is written.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::choices::ClientCertHeaders;
use crate::config::cookies::{CookiePick, DomainPair, PathPair};
use crate::config::fields::{FieldName, Header, Request, Response};
use crate::config::rewriting::RedirectMode;
use crate::config::setting::{List, Setting};
use crate::config::units::BodyLimit;
use crate::config::value::{Ceiling, Name};
use crate::proxy::WindowsAuth;
use crate::proxy::settings::{
    App, HostPattern, Hsts, PathPrefix, RedirectPair, RequestId, SameSite, UpstreamHost, ViaName,
};

/// Which requests go to which backend, and what happens to them on the way.
///
/// The most specific host wins, then the longest path. A table without `host` and `path` is the default route, which
/// takes what no other does; given as flags or variables, these keys describe that one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// Hosts of its requests, such as "www.example.com" or "*.example.com"; without any, every host.
    ///
    /// The wildcard stands for any number of labels.
    pub(in crate::config) host: List<HostPattern>,

    /// What paths of its requests begin with, such as "/app"; without any, every path.
    ///
    /// In whole segments: "/app" takes /app and /app/x and not /apple. Upper and lower case differ; what need not be percent-encoded is not.
    pub(in crate::config) path: List<PathPrefix>,

    /// Take the path that the route was found by off before the request is sent on.
    #[schemars(extend("default" = false))]
    pub(in crate::config) strip_prefix: Setting<bool>,

    /// Put this before the path, after `strip_prefix`.
    pub(in crate::config) add_prefix: Setting<PathPrefix>,

    /// How the backend is told about the client's certificate: "rfc9440", "rfc9440-chain", "arr", "ssl".
    ///
    /// Client-Cert, the same with Client-Cert-Chain, X-ARR-ClientCert as IIS sends it, X-SSL-Client-Verify, -Cert, -S-DN,
    /// -I-DN, -Serial and -Fingerprint as nginx is commonly configured. What clients send by such names is removed,
    /// whether anything is asked for here or not.
    #[schemars(extend("default" = []))]
    pub(in crate::config) client_cert_headers: List<ClientCertHeaders>,

    /// Size of a request's body, where it is not the `body_bytes` of all in `limits`; or "off".
    pub(in crate::config) body_bytes: Setting<BodyLimit>,

    /// Requests a second of one client that take this route, beside `requests_per_second` in `limits`.
    ///
    /// Beyond that it is answered with 429 and told when to try again.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) requests_per_second: Setting<Ceiling>,

    /// Requests of one client at once, after a time of silence; without it, ten seconds' worth.
    pub(in crate::config) requests_burst: Setting<NonZeroU32>,

    /// The `name` of the backend; without it, the default backend.
    pub(in crate::config) backend: Setting<Name>,

    /// Which Host the backend is sent: "preserve" (the client's), "upstream" (the server's own) or a host.
    #[schemars(extend("default" = "preserve"))]
    pub(in crate::config) upstream_host: Setting<UpstreamHost>,

    /// An application to choose defaults for: "exchange", "sharepoint" or "aspnet".
    ///
    /// "exchange" sends the backend `Front-End-Https: on` and `X-Url-Scheme`, "sharepoint" `Front-End-Https: on`,
    /// "aspnet" `X-Url-Scheme`; all three make `cookie_secure` true, "exchange" also `rpc_over_http`. Any key that is written goes before that.
    pub(in crate::config) app: Setting<App>,

    /// Tell the backend of client, host and scheme in `Forwarded` (RFC 7239) too.
    #[schemars(extend("default" = false))]
    pub(in crate::config) forwarded: Setting<bool>,

    /// The name that fullchain adds to `Via`, in requests and responses; without one, it adds none.
    pub(in crate::config) via: Setting<ViaName>,

    /// Who is told a name of each request, in `X-Request-Id`: "upstream", "both" or "off".
    ///
    /// "both" returns it to the client too. A client's own is replaced, that of a trusted proxy kept; "off" leaves the
    /// field to client and backend.
    #[schemars(extend("default" = "upstream"))]
    pub(in crate::config) request_id: Setting<RequestId>,

    /// Lead redirects of a backend that does not know its public URL to that: "auto" or "off".
    ///
    /// In Location, Content-Location and Refresh. "auto" rewrites URLs of the server, of the host that it was sent, and
    /// of the host that was asked for without TLS or on the server's port; with `strip_prefix` and `add_prefix` the path
    /// is led back too. Other hosts stay as they are.
    #[schemars(extend("default" = "auto"))]
    pub(in crate::config) rewrite_redirects: Setting<RedirectMode>,

    /// More beginnings of URLs in redirects, and what clients get instead.
    ///
    /// Two URLs each: `http://internal:8080/ https://www.example.com/`. They go before what `rewrite_redirects` does,
    /// and hold where it is off.
    #[schemars(extend("default" = []))]
    pub(in crate::config) redirect_map: List<RedirectPair>,

    /// Add Secure to every cookie that comes without, where the client uses https.
    #[schemars(extend("default" = false))]
    pub(in crate::config) cookie_secure: Setting<bool>,

    /// Add HttpOnly to cookies that come without: "all", or their names.
    #[schemars(extend("default" = []))]
    pub(in crate::config) cookie_http_only: List<CookiePick>,

    /// Set SameSite of every cookie to "lax", "strict" or "none", whatever the backend says.
    ///
    /// "none" needs `cookie_secure`.
    pub(in crate::config) cookie_same_site: Setting<SameSite>,

    /// Domains of cookies as the backend knows them and as clients do: "internal.local example.com".
    #[schemars(extend("default" = []))]
    pub(in crate::config) cookie_domain: List<DomainPair>,

    /// Beginnings of paths of cookies as the backend knows them and as clients do: "/app /".
    ///
    /// In whole segments; the first that fits. Cookies with a name that begins with __Host- keep theirs.
    #[schemars(extend("default" = []))]
    pub(in crate::config) cookie_path: List<PathPair>,

    /// Have browsers fetch over https what pages link to by http.
    ///
    /// Adds `upgrade-insecure-requests` to Content-Security-Policy, beside what the backend says there.
    #[schemars(extend("default" = false))]
    pub(in crate::config) upgrade_insecure_requests: Setting<bool>,

    /// Have browsers come back over https alone: seconds, and includeSubDomains or preload.
    ///
    /// "31536000; includeSubDomains" for a year. Strict-Transport-Security is sent over https only, in the place of the
    /// backend's own.
    pub(in crate::config) hsts: Setting<Hsts>,

    /// Fields to set in requests, as "X-Env: prod"; the client's own of the name go.
    ///
    /// Values may have variables: {client_ip}, {host}, {scheme}, {request_id}, {path}, {server_name}, {tls_version}; {{
    /// and }} are braces. A field whose variables come to nothing is not sent.
    #[schemars(extend("default" = []))]
    pub(in crate::config) set_request_header: List<Header<Request>>,

    /// Fields to add to requests, beside those of the name.
    #[schemars(extend("default" = []))]
    pub(in crate::config) add_request_header: List<Header<Request>>,

    /// Names of fields to take out of requests, before others are set and added.
    #[schemars(extend("default" = []))]
    pub(in crate::config) remove_request_header: List<FieldName<Request>>,

    /// Fields to set in responses, in the place of the backend's.
    #[schemars(extend("default" = []))]
    pub(in crate::config) set_response_header: List<Header<Response>>,

    /// Fields to add to responses, beside those of the name.
    #[schemars(extend("default" = []))]
    pub(in crate::config) add_response_header: List<Header<Response>>,

    /// Names of fields to take out of responses, before others are set and added.
    #[schemars(extend("default" = []))]
    pub(in crate::config) remove_response_header: List<FieldName<Response>>,

    /// NTLM and Negotiate: "auto" pins connections, true takes HTTP/1.1 alone, false removes both.
    ///
    /// They authenticate a connection, not a request. With "auto", a client that uses them or is offered them gets a
    /// connection to the server for itself, for as long as it is connected. With true, its host offers http/1.1 alone
    /// besides, as IIS does: over HTTP/2 all of a page's requests wait for that one connection in turn. With false,
    /// neither the offer nor the credentials are passed on.
    #[schemars(extend("default" = "auto"))]
    pub(in crate::config) windows_auth: Setting<WindowsAuth>,

    /// Outlook Anywhere and RD Gateway: requests that are channels, open for as long as a session.
    ///
    /// Those of RPC_IN_DATA, RPC_OUT_DATA, RDG_IN_DATA and RDG_OUT_DATA may be silent for four hours, have no size, and
    /// are never received whole first. Elsewhere they are requests like any other.
    #[schemars(extend("default" = false))]
    pub(in crate::config) rpc_over_http: Setting<bool>,
}
