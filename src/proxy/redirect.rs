//! Plain HTTP is answered with the way to https.

use http::request::Parts;
use http::{HeaderValue, Response, Uri};

use super::body::ResponseBody;
use super::headers::Refusal;
use super::headers::host::Host;
use super::response;
use super::settings::Redirect;

/// The way `to` https for a request that passed the checks.
///
/// # Errors
///
/// [`Refusal`] where there is nowhere to send anyone.
pub(super) fn answer(head: &Parts, host: Option<&Host>, to: Redirect) -> Result<Response<ResponseBody>, Refusal> {
    let location = location(&head.uri, host.ok_or(Refusal::HostMissing)?, to.port)?;
    Ok(response::redirect(to.status, location))
}

/// The same place over https.
fn location(target: &Uri, host: &Host, https_port: u16) -> Result<HeaderValue, Refusal> {
    let target = match target.path_and_query().map_or("/", |target| target.as_str()) {
        "*" => "/",
        target => target,
    };
    let mut location = b"https://".to_vec();
    location.extend_from_slice(host.name());
    if https_port != 443 {
        location.extend_from_slice(format!(":{https_port}").as_bytes());
    }
    if !target.starts_with('/') {
        location.push(b'/');
    }
    location.extend_from_slice(target.as_bytes());
    HeaderValue::from_maybe_shared(bytes::Bytes::from(location)).map_err(|_| Refusal::Target)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_same_place_over_https() {
        for (host, target, port, expected) in [
            ("a.test", "/x?y=1", 443, "https://a.test/x?y=1"),
            ("a.test:80", "/", 8443, "https://a.test:8443/"),
            ("[::1]:8080", "/", 443, "https://[::1]/"),
            ("a.test", "http://a.test?q", 443, "https://a.test/?q"),
        ] {
            assert_eq!(to(host, target, port).unwrap(), expected);
        }
    }

    #[test]
    fn a_bad_host_is_sent_nowhere() {
        assert_eq!(to("evil.test/@a.test", "/", 443), Err(Refusal::HostInvalid));
        assert_eq!(to("a.test", "http://b.test/", 443), Err(Refusal::HostMismatch));
        let (head, ()) = Request::get("/").body(()).unwrap().into_parts();
        assert_eq!(
            answer(&head, None, Redirect::default()).unwrap_err(),
            Refusal::HostMissing
        );
    }

    fn to(host: &str, target: &str, port: u16) -> Result<HeaderValue, Refusal> {
        let request = Request::get(target).header("host", host).body(()).unwrap();
        let (head, ()) = request.into_parts();
        location(&head.uri, &Host::of(&head)?.unwrap(), port)
    }
}
