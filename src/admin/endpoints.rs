//! What each endpoint answers.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::Readiness;
use crate::reload::{Handle, Outcome};

/// What `/certificates` shows, made anew for each request. It runs on the control runtime, so it must not wait.
pub type CertificatesView = Arc<dyn Fn() -> Value + Send + Sync>;

/// What `/metrics` shows, likewise.
pub type MetricsView = Arc<dyn Fn() -> String + Send + Sync>;

/// Where the endpoints get their answers.
#[derive(Clone)]
pub struct Sources {
    /// For `/readyz`.
    pub readiness: Readiness,
    /// For `/certificates`.
    pub certificates: CertificatesView,
    /// For `/metrics`.
    pub metrics: MetricsView,
    /// For `/reload`.
    pub reload: Handle,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("readiness", &self.readiness)
            .field("reload", &self.reload)
            .finish_non_exhaustive()
    }
}

/// Answers `request`, whose body nobody needs.
pub(super) async fn answer<B>(request: &Request<B>, sources: &Sources) -> Response<Full<Bytes>> {
    if is_of_a_web_page(request) {
        return text(StatusCode::FORBIDDEN, "not for web pages");
    }
    if !is_for_an_address(request) {
        return text(StatusCode::FORBIDDEN, "ask by address or as localhost");
    }
    let Some(endpoint) = Endpoint::at(request.uri().path()) else {
        return text(StatusCode::NOT_FOUND, "no such endpoint");
    };
    if !endpoint.allows(request.method()) {
        return not_allowed(endpoint);
    }
    match endpoint {
        Endpoint::Livez => text(StatusCode::OK, "ok"),
        Endpoint::Readyz => match sources.readiness.check() {
            Ok(()) => text(StatusCode::OK, "ok"),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
        },
        Endpoint::Certificates => object(StatusCode::OK, &(sources.certificates)()),
        Endpoint::Metrics => response(StatusCode::OK, EXPOSITION, (sources.metrics)()),
        Endpoint::Reload => match force(request.uri().query()) {
            Some(force) => reloaded(sources.reload.reload(force).await),
            None => text(StatusCode::BAD_REQUEST, "the only parameter is force=1"),
        },
    }
}

/// Whether a browser says that a page made `request`: `Origin` is in those that write or cross origins, Fetch
/// Metadata (W3C) in all to loopback; there `none` is a person who typed the address.
fn is_of_a_web_page<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    headers.contains_key(ORIGIN) || headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "none")
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether `request` goes to an address or localhost. A page whose name was rebound to this listener's address is of
/// one origin with it, reads its answers and sends no `Origin`: it is known by the name alone. A request that names no
/// host is none of a browser's.
fn is_for_an_address<B>(request: &Request<B>) -> bool {
    let hosts = request
        .headers()
        .get_all(HOST)
        .iter()
        .map(|host| host.to_str().unwrap_or_default());
    let authority = request.uri().authority().map(Authority::as_str);
    hosts.chain(authority).all(is_address_or_localhost)
}

fn is_address_or_localhost(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // Our own client writes a zone of a link-local address into it as well.
        Some(address) => address
            .split('%')
            .next()
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Prometheus' text format, as its documentation of the format has it.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone, Copy)]
enum Endpoint {
    Certificates,
    Livez,
    Metrics,
    Readyz,
    Reload,
}

impl Endpoint {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/certificates" => Some(Self::Certificates),
            "/livez" => Some(Self::Livez),
            "/metrics" => Some(Self::Metrics),
            "/readyz" => Some(Self::Readyz),
            "/reload" => Some(Self::Reload),
            _ => None,
        }
    }

    fn allows(self, method: &Method) -> bool {
        match self {
            Self::Reload => method == Method::POST,
            Self::Certificates | Self::Livez | Self::Metrics | Self::Readyz => {
                method == Method::GET || method == Method::HEAD
            }
        }
    }
}

/// The value of `force`; `None` where `query` says something else.
fn force(query: Option<&str>) -> Option<bool> {
    match query {
        None | Some("" | "force=0") => Some(false),
        Some("force=1") => Some(true),
        Some(_) => None,
    }
}

fn reloaded(outcome: Option<Outcome>) -> Response<Full<Bytes>> {
    let (status, outcome, details) = match outcome {
        Some(Outcome::Unchanged) => (StatusCode::OK, "unchanged", Vec::new()),
        Some(Outcome::Changed(details)) => (StatusCode::OK, "changed", details),
        Some(Outcome::Kept(details)) => (StatusCode::CONFLICT, "kept", details),
        Some(Outcome::Refused(details)) => (StatusCode::CONFLICT, "refused", details),
        None => (StatusCode::SERVICE_UNAVAILABLE, "ended", Vec::new()),
    };
    object(status, &json!({ "outcome": outcome, "details": details }))
}

fn not_allowed(endpoint: Endpoint) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    let allowed = match endpoint {
        Endpoint::Reload => "POST",
        Endpoint::Certificates | Endpoint::Livez | Endpoint::Metrics | Endpoint::Readyz => "GET, HEAD",
    };
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A line of text.
pub(super) fn text(status: StatusCode, line: &str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

fn object(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    response(status, "application/json", format!("{value}\n"))
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
pub(super) mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// Sources whose reload task answers with `outcome` each time, or has ended.
    pub(in crate::admin) fn sources(outcome: Option<Outcome>) -> Sources {
        let (reload, mut requests) = Handle::new();
        if let Some(outcome) = outcome {
            tokio::spawn(async move {
                while let Some(request) = requests.next().await {
                    let forced = Outcome::Changed(vec!["forced".to_owned()]);
                    let outcome = if request.force { forced } else { outcome.clone() };
                    request.answer(&outcome);
                }
            });
        }
        Sources {
            readiness: Readiness::new(),
            certificates: Arc::new(|| json!([{ "names": ["a.test"] }])),
            metrics: Arc::new(|| "# nothing\n".to_owned()),
            reload,
        }
    }

    #[tokio::test]
    async fn livez_says_ok_at_any_time() {
        let sources = sources(None);
        assert_eq!(get("/livez", &sources).await, (StatusCode::OK, "ok\n".to_owned()));
        sources.readiness.drain();
        assert_eq!(get("/livez", &sources).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn readyz_says_why_not() {
        let sources = sources(None);
        assert_eq!(
            get("/readyz", &sources).await,
            (StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned())
        );
        sources.readiness.ready();
        assert_eq!(get("/readyz", &sources).await, (StatusCode::OK, "ok\n".to_owned()));
        sources.readiness.drain();
        assert_eq!(
            get("/readyz", &sources).await,
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
        );
    }

    #[tokio::test]
    async fn certificates_are_json() {
        let (status, body) = get("/certificates", &sources(None)).await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::OK, "[{\"names\":[\"a.test\"]}]\n")
        );
    }

    #[tokio::test]
    async fn metrics_are_in_the_text_format_of_prometheus() {
        let answered = answer(&request(Method::GET, "/metrics"), &sources(None)).await;
        assert_eq!(
            answered.headers()[CONTENT_TYPE],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let answered = get("/metrics", &sources(None)).await;
        assert_eq!(answered, (StatusCode::OK, "# nothing\n".to_owned()));
    }

    #[tokio::test]
    async fn the_status_of_a_reload_says_what_came_of_it() {
        let kept = Outcome::Kept(vec!["key of another leaf".to_owned()]);
        let answers = [
            (
                Some(Outcome::Unchanged),
                StatusCode::OK,
                r#"{"outcome":"unchanged","details":[]}"#,
            ),
            (
                Some(kept),
                StatusCode::CONFLICT,
                r#"{"outcome":"kept","details":["key of another leaf"]}"#,
            ),
            (
                Some(Outcome::Refused(vec!["no such key".to_owned()])),
                StatusCode::CONFLICT,
                r#"{"outcome":"refused","details":["no such key"]}"#,
            ),
            (
                None,
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"outcome":"ended","details":[]}"#,
            ),
        ];
        for (outcome, status, body) in answers {
            let answered = ask(request(Method::POST, "/reload"), &sources(outcome)).await;
            assert_eq!(answered, (status, format!("{body}\n")));
        }
    }

    #[tokio::test]
    async fn force_is_passed_on_and_other_parameters_are_refused() {
        let sources = sources(Some(Outcome::Unchanged));
        let (status, body) = ask(request(Method::POST, "/reload?force=1"), &sources).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("forced"), "{body}");
        let (_, body) = ask(request(Method::POST, "/reload?force=0"), &sources).await;
        assert!(body.contains("unchanged"), "{body}");
        let (status, _) = ask(request(Method::POST, "/reload?farce=1"), &sources).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn another_method_is_told_which_are_allowed() {
        for (method, path, allowed) in [(Method::GET, "/reload", "POST"), (Method::POST, "/livez", "GET, HEAD")] {
            let response = answer(&request(method, path), &sources(None)).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers()[ALLOW], allowed);
        }
    }

    #[tokio::test]
    async fn other_paths_are_not_found() {
        for path in ["/", "/livez/", "/Livez", "//reload", "/metrics/"] {
            assert_eq!(get(path, &sources(None)).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn a_web_page_is_refused() {
        let mut request = request(Method::POST, "/reload");
        request
            .headers_mut()
            .insert(ORIGIN, HeaderValue::from_static("http://evil.test:9180"));
        let (status, _) = ask(request, &sources(Some(Outcome::Unchanged))).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn a_browser_may_ask_only_where_a_person_typed_the_address() {
        let sources = sources(None);
        for (site, status) in [
            ("none", StatusCode::OK),
            ("same-origin", StatusCode::FORBIDDEN),
            ("same-site", StatusCode::FORBIDDEN),
            ("cross-site", StatusCode::FORBIDDEN),
        ] {
            let mut request = request(Method::GET, "/certificates");
            request
                .headers_mut()
                .insert(SEC_FETCH_SITE, HeaderValue::from_static(site));
            assert_eq!(ask(request, &sources).await.0, status, "{site}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_here_by_rebinding_is_refused() {
        let sources = sources(None);
        let certificates = |host: &'static [u8]| {
            let mut request = request(Method::GET, "/certificates");
            let host = HeaderValue::from_bytes(host).unwrap();
            request.headers_mut().insert(HOST, host);
            ask(request, &sources)
        };
        for host in [
            "127.0.0.1",
            "10.0.0.7:9180",
            "localhost",
            "LOCALHOST:1",
            "[::1]",
            "[::1]:9180",
            "[fe80::1%2]:9180",
        ] {
            assert_eq!(certificates(host.as_bytes()).await.0, StatusCode::OK, "{host}");
        }
        for host in [
            "evil.test:9180",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "evil.test:[::1]",
            "::1",
            "a@127.0.0.1",
            "",
            "\u{ff}",
        ] {
            assert_eq!(certificates(host.as_bytes()).await.0, StatusCode::FORBIDDEN, "{host}");
        }
        let (status, _) = get("http://evil.test/certificates", &sources).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }

    fn request(method: Method, uri: &str) -> Request<()> {
        Request::builder().method(method).uri(uri).body(()).unwrap()
    }

    async fn get(uri: &str, sources: &Sources) -> (StatusCode, String) {
        ask(request(Method::GET, uri), sources).await
    }

    async fn ask(request: Request<()>, sources: &Sources) -> (StatusCode, String) {
        let response = answer(&request, sources).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}
