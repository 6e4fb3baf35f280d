//! What applications of Microsoft want to be told about TLS that ended before them.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::scheme::Scheme;

const FRONT_END_HTTPS: HeaderName = HeaderName::from_static("front-end-https");
const URL_SCHEME: HeaderName = HeaderName::from_static("x-url-scheme");

/// An application that a route's defaults are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    /// Exchange and Outlook on the web, with SSL offloading.
    Exchange,
    /// SharePoint, with an alternate access mapping for the public URL.
    SharePoint,
    /// ASP.NET on IIS or Kestrel.
    AspNet,
}

impl App {
    /// Tells the application how the client reaches it, besides what X-Forwarded-Proto says.
    pub(in crate::proxy) fn tell(self, headers: &mut HeaderMap, scheme: Scheme) {
        if matches!(self, Self::Exchange | Self::SharePoint) && scheme == Scheme::Https {
            headers.insert(FRONT_END_HTTPS, HeaderValue::from_static("on"));
        }
        if matches!(self, Self::Exchange | Self::AspNet) {
            headers.insert(URL_SCHEME, scheme.value());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_application_is_told_in_its_own_words() {
        for (app, scheme, told) in [
            (
                App::Exchange,
                Scheme::Https,
                &["front-end-https: on", "x-url-scheme: https"][..],
            ),
            (App::Exchange, Scheme::Http, &["x-url-scheme: http"]),
            (App::SharePoint, Scheme::Https, &["front-end-https: on"]),
            (App::SharePoint, Scheme::Http, &[]),
            (App::AspNet, Scheme::Https, &["x-url-scheme: https"]),
        ] {
            let mut headers = HeaderMap::new();
            app.tell(&mut headers, scheme);
            let mut lines: Vec<_> = headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            lines.sort_unstable();
            assert_eq!(lines, told, "{app:?}");
        }
    }
}
