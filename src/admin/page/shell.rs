//! The document around everything, and what a browser may do with it.

use std::sync::LazyLock;

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::super::diagnosis::Severity;
use super::super::endpoints;
use super::super::status::Status;
use super::query::Query;
use super::words::span;
use super::{certificates, operations, verdict};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Seconds from one look to the next. What is long is asked for less often: it takes time to write and to read.
const REFRESH: u64 = 5;
const REFRESH_LONG: u64 = 30;
const MANY_CERTIFICATES: usize = 50;

/// Nothing from anywhere else, no script but ours, in nobody's frame.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = |text: &str| Base64::encode_string(&Sha256::digest(text.as_bytes()));
    let (style, script) = (digest(STYLE), digest(SCRIPT));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; connect-src 'self'; img-src data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    // It is made of ASCII characters alone; the strictest one would be all there is otherwise.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// `document` with its headers.
pub(super) fn response(document: String) -> Response<Full<Bytes>> {
    let mut response = endpoints::response(StatusCode::OK, "text/html; charset=utf-8", document);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The whole page.
pub(super) fn document(status: &Status, query: &Query) -> Markup {
    let refresh = match status.generation.served.len() {
        0..MANY_CERTIFICATES => REFRESH,
        _ => REFRESH_LONG,
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                noscript { meta http-equiv="refresh" content=(REFRESH_LONG); }
                title { (title(status)) }
                link rel="icon" href=(icon(status));
                style { (PreEscaped(STYLE)) }
            }
            body data-refresh=(refresh) {
                header {
                    p.brand { "fullchain" }
                    p.remark data-part="process" {
                        "version " (env!("CARGO_PKG_VERSION")) " \u{b7} " (status.stage.as_str())
                        " \u{b7} running for " (span(status.uptime()))
                    }
                }
                main {
                    div aria-live="polite" { (verdict::verdict(status)) }
                    (certificates::attention(status))
                    (certificates::all(status, query))
                    div.columns {
                        div {
                            (operations::traffic(status))
                            (operations::reloads(status))
                        }
                        div {
                            (operations::backends(status))
                            (operations::listeners(status))
                        }
                    }
                }
                footer {
                    p #freshness role="status" { "As of " (super::words::moment(status.at)) }
                    nav aria-label="For programs" {
                        @for path in ["/status", "/metrics", "/certificates", "/config"] { a href=(path) { (path) } " " }
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// What a tab shows: how many need attention.
fn title(status: &Status) -> String {
    let bad = status
        .diagnosis
        .troubles
        .iter()
        .filter(|trouble| trouble.severity < Severity::Note);
    match bad.count() {
        0 => "fullchain: all well".to_owned(),
        count => format!("({count}) fullchain needs attention"),
    }
}

/// A dot in the colour of the verdict.
fn icon(status: &Status) -> String {
    let colour = match status.diagnosis.worst() {
        Some(Severity::Error) => "d13438",
        Some(Severity::Warning) => "c98a00",
        Some(Severity::Note) | None => "2f9e5b",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
         %3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}
