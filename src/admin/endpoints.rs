//! What each endpoint answers.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use rustls::pki_types::UnixTime;
use serde_json::{Value, json};

use super::access::{self, Denied};
use super::certificates::certificates;
use super::readiness::ready;
use super::status::Status;
use super::{Readiness, Settings, page};
use crate::live::Live;
use crate::proxy::Observation;
use crate::reload::{Generation, Handle, History, Outcome};

/// The configuration in force, as `/config` shows it.
pub type ConfigurationView = Arc<dyn Fn() -> String + Send + Sync>;

/// What `/metrics` shows, likewise.
pub type MetricsView = Arc<dyn Fn() -> String + Send + Sync>;

/// How the proxy fares.
pub type ProxyView = Arc<dyn Fn() -> Observation + Send + Sync>;

/// Where the endpoints get their answers. What is a view runs on the control runtime for each request: it must not wait.
#[derive(Clone)]
pub struct Sources {
    /// Who may ask, and what counts as ready.
    pub settings: Arc<Live<Settings>>,
    /// When the process began.
    pub started_at: UnixTime,
    /// Whether it takes connections.
    pub readiness: Readiness,
    /// For `/metrics`.
    pub metrics: MetricsView,
    /// What is served.
    pub generation: Arc<Live<Generation>>,
    /// What came of the latest reloads.
    pub history: History,
    /// Listeners and servers.
    pub proxy: ProxyView,
    /// For `/config`.
    pub configuration: ConfigurationView,
    /// For `/reload`.
    pub reload: Handle,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("settings", &self.settings)
            .field("readiness", &self.readiness)
            .field("reload", &self.reload)
            .finish_non_exhaustive()
    }
}

/// Answers `request`, whose body nobody needs.
pub(super) async fn answer<B>(request: &Request<B>, sources: &Sources) -> Response<Full<Bytes>> {
    let endpoint = Endpoint::at(request.uri().path());
    if !endpoint.is_some_and(Endpoint::is_open) {
        let is_page = matches!(endpoint, Some(Endpoint::Page));
        if let Err(denied) = access::check(request, &sources.settings.current(), is_page) {
            return refused(denied);
        }
    }
    let Some(endpoint) = endpoint else {
        return text(StatusCode::NOT_FOUND, "no such endpoint");
    };
    if !endpoint.allows(request.method()) {
        return not_allowed(endpoint);
    }
    match endpoint {
        Endpoint::Livez => text(StatusCode::OK, "ok"),
        Endpoint::Readyz => match is_ready(sources) {
            Ok(()) => text(StatusCode::OK, "ok"),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, &reason),
        },
        Endpoint::Certificates => object(StatusCode::OK, &certificates(&sources.generation.current())),
        Endpoint::Config => response(StatusCode::OK, "application/toml", (sources.configuration)()),
        Endpoint::Metrics => response(StatusCode::OK, EXPOSITION, (sources.metrics)()),
        Endpoint::Page => page::answer(&Status::of(sources, UnixTime::now()), request.uri().query()),
        Endpoint::Status => object(StatusCode::OK, &Status::of(sources, UnixTime::now()).json()),
        Endpoint::Reload => match force(request.uri().query()) {
            Some(force) => reloaded(sources.reload.reload(force).await),
            None => text(StatusCode::BAD_REQUEST, "the only parameter is force=1"),
        },
    }
}

fn is_ready(sources: &Sources) -> Result<(), String> {
    ready(
        &sources.readiness,
        &(sources.proxy)(),
        &sources.generation.current(),
        sources.settings.current().ready_days,
        UnixTime::now(),
    )
}

fn refused(denied: Denied) -> Response<Full<Bytes>> {
    match denied {
        Denied::WebPage => text(StatusCode::FORBIDDEN, "not for web pages"),
        Denied::Host => text(
            StatusCode::FORBIDDEN,
            "ask by address or as localhost, or name this host in admin_hosts",
        ),
        Denied::Token => {
            let mut response = text(
                StatusCode::UNAUTHORIZED,
                "this takes the token of admin_token_file: as Authorization: Bearer TOKEN, or as a browser's password",
            );
            // The one that browsers ask their users for comes first.
            for challenge in [
                "Basic realm=\"fullchain\", charset=\"UTF-8\"",
                "Bearer realm=\"fullchain\"",
            ] {
                let challenge = HeaderValue::from_static(challenge);
                response.headers_mut().append(WWW_AUTHENTICATE, challenge);
            }
            response
        }
    }
}

/// Prometheus' text format, as its documentation of the format has it.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone, Copy)]
enum Endpoint {
    Certificates,
    Config,
    Livez,
    Metrics,
    Page,
    Readyz,
    Reload,
    Status,
}

impl Endpoint {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Page),
            "/certificates" => Some(Self::Certificates),
            "/config" => Some(Self::Config),
            "/livez" => Some(Self::Livez),
            "/metrics" => Some(Self::Metrics),
            "/readyz" => Some(Self::Readyz),
            "/reload" => Some(Self::Reload),
            "/status" => Some(Self::Status),
            _ => None,
        }
    }

    /// Whether anybody may ask, by any name. Probes of orchestrators and balancers cannot keep a secret, and ask by whatever
    /// name leads here; they hear a line that says nothing which a client of the proxy would not see.
    fn is_open(self) -> bool {
        matches!(self, Self::Livez | Self::Readyz)
    }

    fn allows(self, method: &Method) -> bool {
        match self {
            Self::Reload => method == Method::POST,
            _ => method == Method::GET || method == Method::HEAD,
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
    let status = match &outcome {
        Some(Outcome::Unchanged | Outcome::Changed(_)) => StatusCode::OK,
        Some(Outcome::Kept(_) | Outcome::Refused(_)) => StatusCode::CONFLICT,
        None => StatusCode::SERVICE_UNAVAILABLE,
    };
    let word = outcome.as_ref().map_or("ended", Outcome::as_str);
    let details = outcome.as_ref().map_or(&[][..], Outcome::sentences);
    object(status, &json!({ "outcome": word, "details": details }))
}

fn not_allowed(endpoint: Endpoint) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    let allowed = match endpoint {
        Endpoint::Reload => "POST",
        _ => "GET, HEAD",
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

/// An answer that nobody keeps and nobody takes for anything but what it says it is.
pub(super) fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
pub(super) mod tests {
    use http_body_util::BodyExt;

    use super::super::{Address, Token};
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
            settings: Arc::new(Live::new(Settings::at(Address::Off))),
            started_at: UnixTime::now(),
            readiness: Readiness::new(),
            metrics: Arc::new(|| "# nothing\n".to_owned()),
            generation: Arc::new(Live::new(Generation::empty(UnixTime::now()))),
            history: History::default(),
            proxy: Arc::new(Observation::default),
            configuration: Arc::new(|| "workers = 1\n".to_owned()),
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
    async fn certificates_and_status_are_json_and_the_configuration_is_toml() {
        let sources = sources(None);
        for path in ["/certificates", "/status"] {
            let (status, body) = get(path, &sources).await;
            let shown: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, &shown["version"]), (StatusCode::OK, &json!(1)), "{path}");
        }
        let configuration = get("/config", &sources).await;
        assert_eq!(configuration, (StatusCode::OK, "workers = 1\n".to_owned()));
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
        for path in [
            "/index.html",
            "/livez/",
            "/Livez",
            "//reload",
            "/metrics/",
            "/favicon.ico",
        ] {
            assert_eq!(get(path, &sources(None)).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn who_is_refused_hears_why() {
        let sources = sources(Some(Outcome::Unchanged));
        let refused = async |path: &str, name: &'static str, value: &'static str| {
            let mut request = request(Method::GET, path);
            request.headers_mut().insert(name, HeaderValue::from_static(value));
            ask(request, &sources).await
        };
        let (status, _) = refused("/reload", "origin", "http://evil.test").await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let (status, body) = refused("/", "host", "evil.test").await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(body.contains("admin_hosts"), "{body}");
        // Where there is nothing is nobody's business either.
        assert_eq!(refused("/nothing", "host", "evil.test").await.0, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn without_the_token_there_are_probes_alone() {
        let sources = sources(None);
        sources.readiness.ready();
        let token = Token::first_line(b"0123456789abcdef").unwrap();
        sources.settings.publish(Settings {
            token: Some(token.clone()),
            ..Settings::at(Address::Off)
        });
        for path in ["/livez", "/readyz"] {
            let mut probe = request(Method::GET, path);
            probe
                .headers_mut()
                .insert("host", HeaderValue::from_static("proxy.test"));
            assert_eq!(ask(probe, &sources).await.0, StatusCode::OK, "{path}");
        }
        for path in ["/", "/certificates", "/config", "/status", "/reload", "/nothing"] {
            let response = answer(&request(Method::GET, path), &sources).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(response.headers().get_all(WWW_AUTHENTICATE).iter().count(), 2);
        }
        let mut shown = request(Method::GET, "/certificates");
        let bearer = HeaderValue::try_from(token.bearer()).unwrap();
        shown.headers_mut().insert("authorization", bearer);
        assert_eq!(ask(shown, &sources).await.0, StatusCode::OK);
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
