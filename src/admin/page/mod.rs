//! The status page: one answer with everything in it, for whoever is woken up at night.
//!
//! The server writes it whole, so it works without JavaScript; the script asks for it again every few seconds and puts in
//! place what has changed. Whatever comes from certificates, files or clients goes through `maud`, which escapes it; the
//! content security policy lets nothing run but the one script, known by its digest.
//!
//! ```text
//! shell         the document, its headers, style and script
//! verdict       the sentence at the top
//! certificates  those with something wrong, and the others
//! chain         one chain as a tree, from leaf to root, and its trail
//! bar           how long a chain lasts
//! operations    traffic, servers, reloads, listeners
//! query         what is asked for: names with a certain part
//! words         times and spans as people read them
//! ```

mod bar;
mod certificates;
mod chain;
mod operations;
mod query;
mod shell;
mod verdict;
mod words;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use self::query::Query;
use super::diagnosis::Severity;
use super::status::Status;

/// The page that shows `status`; `query` as it stands in the URL.
pub(super) fn answer(status: &Status, query: Option<&str>) -> Response<Full<Bytes>> {
    let query = Query::parse(query.unwrap_or_default());
    shell::response(shell::document(status, &query).into_string())
}

/// What the style calls something that is as bad as this.
fn class(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Error) => "error",
        Some(Severity::Warning) => "warning",
        Some(Severity::Note) => "note",
        None => "well",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use rustls::pki_types::UnixTime;

    use super::super::endpoints::tests::sources;
    use super::*;
    use crate::reload::Generation;

    /// The headers and the text of the page that shows nothing but these problems.
    async fn page(problems: &[&str], query: Option<&str>) -> (http::HeaderMap, String) {
        let sources = sources(None);
        sources.readiness.ready();
        let at = UnixTime::now();
        sources.generation.publish(Generation {
            problems: problems.iter().map(ToString::to_string).collect(),
            ..Generation::empty(at)
        });
        let (head, body) = answer(&Status::of(&sources, at), query).into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_is_not_ours_is_text() {
        const EVIL: &str = "\"'><script>alert(1)</script>&amp;";
        let (_, page) = page(&[EVIL], Some("q=%22%3E%3Cscript%3E")).await;
        assert!(
            !page.contains("<script>alert") && !page.contains("\"><script>"),
            "{page}"
        );
        assert!(
            page.contains("&quot;'&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;"),
            "{page}"
        );
    }

    #[tokio::test]
    async fn style_and_script_are_those_that_the_policy_names() {
        use base64ct::{Base64, Encoding};
        use sha2::{Digest, Sha256};
        let (headers, page) = page(&[], None).await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(!policy.contains("unsafe"), "{policy}");
        for element in ["style", "script"] {
            let (_, rest) = page.split_once(&format!("<{element}>")).unwrap();
            let (text, rest) = rest.split_once(&format!("</{element}>")).unwrap();
            assert!(!rest.contains(&format!("<{element}")), "one {element}");
            let digest = Base64::encode_string(&Sha256::digest(text.as_bytes()));
            assert!(policy.contains(&format!("{element}-src 'sha256-{digest}'")), "{policy}");
        }
        assert!(!page.contains(" style=") && !page.contains(" onclick="), "{page}");
    }

    #[tokio::test]
    async fn nothing_to_serve_is_an_error() {
        let (_, page) = page(&[], None).await;
        assert!(
            page.contains("There is no certificate to serve: every handshake fails."),
            "{page}"
        );
        assert!(page.contains("<title>(1) fullchain needs attention</title>"), "{page}");
    }
}
