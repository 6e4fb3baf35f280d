//! Who may ask the admin listener: whoever has the token, or where there is none, whoever reaches it and is no web page.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64ct::{Base64, Encoding};
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, Method, Request};

use super::{Settings, Token};

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It has no token, or another.
    Token,
    /// A page of somebody else makes it.
    WebPage,
    /// It was made by a name that is none of ours.
    Host,
}

/// How a request says who makes it.
enum Credentials {
    /// By a program that was given the token.
    Bearer,
    /// By a browser that asked its user: it sends them along whenever a page has it make a request here.
    Basic,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Whether `request` may be answered; `is_page` where it is for the status page, which links may lead to.
///
/// # Errors
///
/// [`Denied`] where it may not.
pub(super) fn check<B>(request: &Request<B>, settings: &Settings, is_page: bool) -> Result<(), Denied> {
    match &settings.token {
        Some(token) => match credentials(request, token).ok_or(Denied::Token)? {
            // No page of somebody else knows the token.
            Credentials::Bearer => Ok(()),
            // A page that DNS rebinding has led here is of another origin for the browser, which sends it none of ours.
            Credentials::Basic => is_no_web_page(request, is_page),
        },
        None => {
            is_no_web_page(request, is_page)?;
            is_for_us(request, &settings.hosts)
        }
    }
}

/// What `request` shows, if it is the token: as RFC 6750 has it, or as the password of RFC 7617, whoever the user.
fn credentials<B>(request: &Request<B>, token: &Token) -> Option<Credentials> {
    let value = request.headers().get(AUTHORIZATION)?.as_bytes();
    let (scheme, shown) = value.split_at_checked(value.iter().position(|byte| *byte == b' ')?)?;
    let shown = shown.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return token.is(shown).then_some(Credentials::Bearer);
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let both = Base64::decode_vec(str::from_utf8(shown).ok()?).ok()?;
    let colon = both.iter().position(|byte| *byte == b':')?;
    token.is(both.get(colon + 1..)?).then_some(Credentials::Basic)
}

/// A browser says which page made `request`: `Origin` is in those that write or cross origins, Fetch Metadata (W3C) in all
/// to loopback. There `none` is a person who typed the address, and `same-origin` our own page, since its name is looked
/// at as well. A link from elsewhere may lead to the page, which changes nothing, and which nobody may frame.
fn is_no_web_page<B>(request: &Request<B>, is_page: bool) -> Result<(), Denied> {
    let headers = request.headers();
    let is_link = is_page
        && request.method() == Method::GET
        && headers.get(SEC_FETCH_DEST).is_some_and(|dest| dest == "document");
    let is_ours = |site: &HeaderValue| site == "none" || site == "same-origin" || is_link;
    match headers.contains_key(ORIGIN) || !headers.get_all(SEC_FETCH_SITE).iter().all(is_ours) {
        true => Err(Denied::WebPage),
        false => Ok(()),
    }
}

/// A page whose name was rebound to this listener's address is of one origin with it, reads its answers and sends no
/// `Origin`: it is known by the name alone. A request that names no host is none of a browser's.
fn is_for_us<B>(request: &Request<B>, hosts: &[Box<str>]) -> Result<(), Denied> {
    let named = request.headers().get_all(HOST).iter();
    let named = named.map(|host| host.to_str().unwrap_or_default());
    let authority = request.uri().authority().map(Authority::as_str);
    match named.chain(authority).all(|authority| is_ours(authority, hosts)) {
        true => Ok(()),
        false => Err(Denied::Host),
    }
}

fn is_ours(authority: &str, hosts: &[Box<str>]) -> bool {
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
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<Ipv4Addr>().is_ok()
                || hosts.iter().any(|ours| host.eq_ignore_ascii_case(ours))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Address;
    use super::*;

    fn settings(token: Option<&str>, hosts: &[&str]) -> Settings {
        Settings {
            token: token.map(|token| Token::first_line(token.as_bytes()).unwrap()),
            hosts: hosts.iter().map(|host| (*host).into()).collect(),
            ..Settings::at(Address::Off)
        }
    }

    fn request(fields: &[(&str, &[u8])]) -> Request<()> {
        let mut request = Request::builder().uri("/status");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn checked(settings: &Settings, fields: &[(&str, &[u8])]) -> Result<(), Denied> {
        check(&request(fields), settings, false)
    }

    #[test]
    fn a_browser_may_ask_for_a_person_and_for_our_own_page() {
        let settings = settings(None, &[]);
        for (site, expected) in [
            ("none", Ok(())),
            ("same-origin", Ok(())),
            ("same-site", Err(Denied::WebPage)),
            ("cross-site", Err(Denied::WebPage)),
        ] {
            let fields = [("sec-fetch-site", site.as_bytes())];
            assert_eq!(checked(&settings, &fields), expected, "{site}");
        }
        let origin = [("origin", &b"http://evil.test:9180"[..])];
        assert_eq!(checked(&settings, &origin), Err(Denied::WebPage));
    }

    #[test]
    fn a_link_may_lead_to_the_page_and_nowhere_else() {
        let settings = settings(None, &[]);
        let link = [("sec-fetch-site", &b"cross-site"[..]), ("sec-fetch-dest", b"document")];
        assert_eq!(check(&request(&link), &settings, true), Ok(()));
        assert_eq!(check(&request(&link), &settings, false), Err(Denied::WebPage));
        let frame = [("sec-fetch-site", &b"cross-site"[..]), ("sec-fetch-dest", b"iframe")];
        assert_eq!(check(&request(&frame), &settings, true), Err(Denied::WebPage));
    }

    #[test]
    fn a_name_that_leads_here_by_rebinding_is_refused() {
        let settings = settings(None, &["proxy.internal"]);
        for host in [
            "127.0.0.1",
            "10.0.0.7:9180",
            "localhost",
            "LOCALHOST:1",
            "[::1]",
            "[::1]:9180",
            "[fe80::1%2]:9180",
            "Proxy.internal:9180",
        ] {
            assert_eq!(checked(&settings, &[("host", host.as_bytes())]), Ok(()), "{host}");
        }
        for host in [
            &b"evil.test:9180"[..],
            b"localhost.evil.test",
            b"127.0.0.1.evil.test",
            b"evil.test:[::1]",
            b"::1",
            b"a@127.0.0.1",
            b"",
            b"\xff",
            b"proxy.internal.evil.test",
        ] {
            assert_eq!(
                checked(&settings, &[("host", host)]),
                Err(Denied::Host),
                "{}",
                host.escape_ascii()
            );
        }
        let absolute = Request::get("http://evil.test/certificates").body(()).unwrap();
        assert_eq!(check(&absolute, &settings, false), Err(Denied::Host));
    }

    #[test]
    fn the_token_opens_to_programs_and_to_a_persons_browser() {
        const TOKEN: &str = "0123456789abcdef";
        let settings = settings(Some(TOKEN), &[]);
        let basic = |user: &str, password: &str| {
            let both = Base64::encode_string(format!("{user}:{password}").as_bytes());
            format!("Basic {both}")
        };
        for value in [
            format!("Bearer {TOKEN}"),
            format!("bearer  {TOKEN}"),
            basic("", TOKEN),
            basic("me", TOKEN),
        ] {
            // The name does not matter then: no page that was rebound here knows the token.
            let fields = [("authorization", value.as_bytes()), ("host", b"proxy.test")];
            assert_eq!(checked(&settings, &fields), Ok(()), "{value}");
        }
        for value in [
            "Bearer 0123456789abcdeF".to_owned(),
            "Bearer".to_owned(),
            TOKEN.to_owned(),
            basic("me", "other"),
            "Basic !".to_owned(),
            format!("Digest {TOKEN}"),
        ] {
            let fields = [("authorization", value.as_bytes())];
            assert_eq!(checked(&settings, &fields), Err(Denied::Token), "{value}");
        }
        assert_eq!(checked(&settings, &[]), Err(Denied::Token));
    }

    #[test]
    fn what_a_browser_sends_along_by_itself_is_not_enough_for_a_page_of_somebody_else() {
        const TOKEN: &str = "0123456789abcdef";
        let basic = format!("Basic {}", Base64::encode_string(format!("me:{TOKEN}").as_bytes()));
        let fields = [("authorization", basic.as_bytes()), ("sec-fetch-site", b"cross-site")];
        assert_eq!(checked(&settings(Some(TOKEN), &[]), &fields), Err(Denied::WebPage));
    }
}
