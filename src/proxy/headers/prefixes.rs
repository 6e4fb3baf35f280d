//! A route may take the beginning of a path off and put another on; this is the way back.

use crate::proxy::settings::{PathPrefix, Route};

/// The beginning of the same paths on either side, without a slash at its end: empty for all paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Prefixes<'a> {
    /// As clients know it.
    pub(in crate::proxy) public: &'a str,
    /// As the backend knows it.
    pub(in crate::proxy) upstream: &'a str,
}

impl<'a> Prefixes<'a> {
    /// Those of a route, found by `prefix`.
    pub(in crate::proxy) fn of(route: &'a Route, prefix: &'a PathPrefix) -> Self {
        Self {
            public: if route.strip_prefix { prefix.as_str() } else { "" },
            upstream: route.add_prefix.as_ref().map_or("", PathPrefix::as_str),
        }
    }

    /// A path of the backend as clients know it, in two parts; `None` where clients cannot reach it, or where it is as
    /// clients know it already: applications can be told of the prefix that is taken off (`root_url` of Grafana).
    pub(super) fn public_path<'p>(&self, path: &'p [u8]) -> Option<(&'a str, &'p [u8])> {
        let begins = |prefix: &str| !prefix.is_empty() && exchanged(path, prefix, prefix).is_some();
        if begins(self.public) && !begins(self.upstream) {
            return None;
        }
        exchanged(path, self.upstream, self.public)
    }

    /// A path of clients as the backend knows it, in two parts; `None` where it is not one of this backend.
    pub(super) fn upstream_path<'p>(&self, path: &'p [u8]) -> Option<(&'a str, &'p [u8])> {
        exchanged(path, self.public, self.upstream)
    }
}

/// `path` with `to` in the place of `from` at its beginning.
pub(super) fn exchanged<'t, 'p>(path: &'p [u8], from: &str, to: &'t str) -> Option<(&'t str, &'p [u8])> {
    let rest = path.strip_prefix(from.as_bytes())?;
    match rest {
        // A path begins with a slash, and nothing else is left to begin with it.
        [] | [b'?' | b'#', ..] if to.is_empty() && !from.is_empty() => Some(("/", rest)),
        [] | [b'/' | b'?' | b'#', ..] => Some((to, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_has_the_prefix_of_clients_already_stays_as_it_is() {
        for (public, upstream, path, expected) in [
            ("/grafana", "", "/grafana/login", None),
            ("/grafana", "", "/login", Some("/grafana/login")),
            ("/grafana", "", "/grafanax", Some("/grafana/grafanax")),
            ("/app", "/app/v2", "/app/v2/x", Some("/app/x")),
            ("/app", "/app/v2", "/app/x", None),
        ] {
            let prefixes = Prefixes { public, upstream };
            let seen = prefixes
                .public_path(path.as_bytes())
                .map(|(prefix, rest)| prefix.to_owned() + std::str::from_utf8(rest).unwrap());
            assert_eq!(seen.as_deref(), expected, "{public} {upstream} {path}");
        }
    }

    #[test]
    fn whole_segments_are_exchanged() {
        for (path, from, to, expected) in [
            ("/x", "", "/app", Some("/app/x")),
            ("/", "", "/app", Some("/app/")),
            ("", "", "/app", Some("/app")),
            ("?q", "", "/app", Some("/app?q")),
            ("", "", "", Some("")),
            ("/owa/x", "/owa", "", Some("/x")),
            ("/owa", "/owa", "", Some("/")),
            ("/owa?q", "/owa", "", Some("/?q")),
            ("/owa#f", "/owa", "/mail", Some("/mail#f")),
            ("/owa/", "/owa", "/mail", Some("/mail/")),
            ("/owax", "/owa", "/mail", None),
            ("/OWA", "/owa", "/mail", None),
            ("/x", "/owa", "/mail", None),
        ] {
            let exchanged = exchanged(path.as_bytes(), from, to)
                .map(|(prefix, rest)| prefix.to_owned() + std::str::from_utf8(rest).unwrap());
            assert_eq!(exchanged.as_deref(), expected, "{path} {from} {to}");
        }
    }

    #[test]
    fn the_way_back_leads_to_where_it_began() {
        for (public, upstream) in [("", ""), ("/app", ""), ("", "/owa"), ("/app", "/x/y")] {
            let prefixes = Prefixes { public, upstream };
            let (prefix, rest) = prefixes
                .upstream_path(&[public.as_bytes(), b"/a?b"].concat())
                .map(|(prefix, rest)| (prefix, rest.to_vec()))
                .unwrap();
            let sent = [prefix.as_bytes(), &rest].concat();
            assert_eq!(sent, [upstream.as_bytes(), b"/a?b"].concat());
            let (prefix, rest) = prefixes.public_path(&sent).unwrap();
            assert_eq!(
                [prefix.as_bytes(), rest].concat(),
                [public.as_bytes(), b"/a?b"].concat()
            );
        }
    }
}
