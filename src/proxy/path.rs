//! What a request's path means where routes differ by path.
//!
//! The path goes to the backend as it came. Routes are found by a normalised copy, and what backends are known to
//! read differently is refused there: a request for `/public/..%2fadmin` must not be routed by one half of it and
//! served by the other. Where there are no such routes, nobody looks.

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;

use super::headers::Refusal;
use super::settings::{PathPrefix, Route};

/// `path` with runs of slashes as one (nginx' `merge_slashes`) and percent-encoded unreserved characters decoded
/// (RFC 3986 section 6.2.2.2): what routes are found by.
///
/// # Errors
///
/// [`Refusal::Path`] for dot segments, which clients take out before they send (RFC 3986 section 5.2.4), however they
/// are disguised: percent-encoded, behind an encoded slash or a backslash, before a path parameter. Also for a NUL and
/// for `%` without two hexadecimal digits.
pub(super) fn normalised(path: &str) -> Result<Cow<'_, str>, Refusal> {
    let bytes = path.as_bytes();
    if !bytes.contains(&b'%') && !bytes.contains(&b'\\') && !path.contains("//") && !path.contains("/.") {
        return Ok(Cow::Borrowed(path));
    }
    let mut normalised = String::with_capacity(path.len());
    // Everything decoded, to find what decodes to a dot segment.
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        let (byte, encoded, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => (hexadecimal(*high, *low).ok_or(Refusal::Path)?, true, after),
            (b'%', _) => return Err(Refusal::Path),
            _ => (*first, false, after),
        };
        rest = after;
        if byte == 0 {
            return Err(Refusal::Path);
        }
        decoded.push(if byte == b'\\' { b'/' } else { byte });
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        match (encoded, unreserved) {
            (false, _) if byte == b'/' && normalised.ends_with('/') => {}
            (false, _) | (true, true) => normalised.push(char::from(byte)),
            (true, false) => {
                use std::fmt::Write as _;
                // A String takes everything.
                let _ = write!(normalised, "%{byte:02X}");
            }
        }
    }
    let is_dots = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    };
    if decoded.split(|byte| *byte == b'/').any(is_dots) {
        return Err(Refusal::Path);
    }
    Ok(Cow::Owned(normalised))
}

/// The path as servers read it that take a backslash or an encoded slash for a slash (IIS) and leave parameters of
/// segments out (Tomcat), in either order; none where that is the same. `normalised` is [normalised].
pub(super) fn read_loosely(normalised: &str) -> impl Iterator<Item = String> + use<> {
    let differs = normalised.contains(['\\', ';']) || normalised.contains("%2F") || normalised.contains("%5C");
    let decoded = |path: &str| path.replace("%2F", "/").replace("%5C", "/").replace('\\', "/");
    let readings = differs.then(|| {
        [
            plain(&without_parameters(&decoded(normalised))),
            plain(&decoded(&without_parameters(normalised))),
        ]
    });
    readings.into_iter().flatten()
}

fn without_parameters(path: &str) -> String {
    let names = path
        .split('/')
        .map(|segment| segment.split_once(';').map_or(segment, |(name, _)| name));
    names.collect::<Vec<_>>().join("/")
}

/// `path` with one slash where there are several.
fn plain(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !plain.ends_with('/') {
            plain.push(character);
        }
    }
    plain
}

/// The target that the backend of `route` is asked for: `target` without the `found` prefix and with that of the
/// route, where it says so; `None` where it stays as it is.
///
/// # Errors
///
/// [`Refusal::Path`] where the prefix was found in the normalised path only, so that it cannot be taken off the one
/// that was sent.
pub(super) fn rewritten(target: &Uri, route: &Route, found: &PathPrefix) -> Result<Option<Uri>, Refusal> {
    let strip = route.strip_prefix && !found.as_str().is_empty();
    let added = route.add_prefix.as_ref().map_or("", PathPrefix::as_str);
    if !strip && added.is_empty() {
        return Ok(None);
    }
    let path = target.path();
    let rest = match strip {
        true if found.takes(path) => path.get(found.as_str().len()..).unwrap_or_default(),
        true => return Err(Refusal::Path),
        false => path,
    };
    let slash = if rest.starts_with('/') || (rest.is_empty() && !added.is_empty()) {
        ""
    } else {
        "/"
    };
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    let rewritten = PathAndQuery::try_from(format!("{added}{slash}{rest}{query}")).map_err(|_| Refusal::Path)?;
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(rewritten);
    Uri::from_parts(parts).map(Some).map_err(|_| Refusal::Path)
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_found_as_the_same() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("//a///b", "/a/b"),
            ("/%61dmin/%7Ex", "/admin/~x"),
            ("/a%2fb", "/a%2Fb"),
            ("/a/b.c", "/a/b.c"),
            ("/a/...", "/a/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/caf%c3%a9", "/caf%C3%A9"),
        ] {
            assert_eq!(normalised(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn dot_segments_are_refused_in_every_disguise() {
        for path in [
            "/a/..",
            "/a/../b",
            "/./a",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/a/..%2fb",
            "/a%2f..%2fb",
            "/a/..\\b",
            "/a\\..\\b",
            "/a/..%5cb",
            "/a/..;/b",
            "/a/..;x=1/b",
            "/a%00",
            "/a%",
            "/a%2",
            "/a%zz",
        ] {
            assert_eq!(normalised(path), Err(Refusal::Path), "{path}");
        }
    }

    #[test]
    fn some_servers_read_more_into_a_path() {
        for (path, read) in [
            ("/admin/x", None),
            ("/admin\\x", Some(["/admin/x", "/admin/x"])),
            ("/admin%5Cx", Some(["/admin/x", "/admin/x"])),
            ("/admin%2Fx", Some(["/admin/x", "/admin/x"])),
            ("/admin;v=1/x", Some(["/admin/x", "/admin/x"])),
            ("/;/admin/;x", Some(["/admin/", "/admin/"])),
            ("/;%2Fq/admin", Some(["/q/admin", "/admin"])),
        ] {
            let readings: Vec<String> = read_loosely(path).collect();
            let expected: Vec<&str> = read.into_iter().flatten().collect();
            assert_eq!(readings, expected, "{path}");
        }
    }

    #[test]
    fn a_prefix_is_taken_off_and_another_put_on() {
        for (strip, add, target, expected) in [
            (false, None, "/app/x?q", None),
            (true, None, "/app/x?q", Some("/x?q")),
            (true, None, "/app", Some("/")),
            (true, None, "/app?q", Some("/?q")),
            (true, None, "/app/", Some("/")),
            (true, Some("/new"), "/app/x", Some("/new/x")),
            (true, Some("/new"), "/app", Some("/new")),
            (false, Some("/new"), "/app/x", Some("/new/app/x")),
        ] {
            let route = Route {
                strip_prefix: strip,
                add_prefix: add.map(|prefix: &str| prefix.parse().unwrap()),
                ..Route::to(0)
            };
            let rewritten = rewritten(&target.parse().unwrap(), &route, &"/app".parse().unwrap()).unwrap();
            assert_eq!(rewritten.map(|uri| uri.to_string()).as_deref(), expected, "{target}");
        }
    }

    #[test]
    fn a_prefix_in_disguise_is_not_taken_off_by_guessing() {
        let route = Route {
            strip_prefix: true,
            ..Route::to(0)
        };
        let app = "/app".parse().unwrap();
        for target in ["//app/x", "/%61pp/x"] {
            assert!(app_takes(&app, target));
            assert_eq!(
                rewritten(&target.parse().unwrap(), &route, &app),
                Err(Refusal::Path),
                "{target}"
            );
        }
    }

    fn app_takes(prefix: &PathPrefix, path: &str) -> bool {
        prefix.takes(&normalised(path).unwrap())
    }
}
