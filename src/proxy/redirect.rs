//! Plain HTTP is answered with the way to https.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;

use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Incoming};

use super::access_log::Record;
use super::activity::Activity;
use super::body::ResponseBody;
use super::error::Error;
use super::headers::host::Host;
use super::headers::{Refusal, framing};
use super::response;
use super::settings::Redirect;
use super::worker::Worker;

/// Answers a request to a redirect listener with the way `to` https.
pub(super) async fn answer(
    worker: &Worker,
    to: Redirect,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    activity: &Rc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let in_progress = activity.begin();
    let (head, body) = request.into_parts();
    let mut record = Record::begin(&worker.access_log, peer, local, None, &head);
    let unread = !body.is_end_stream();
    let response = match location(&head, to.port) {
        Ok(location) => {
            let mut response = response::redirect(to.status, location);
            if unread {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            response
        }
        Err(refusal) => {
            let error = Error::Refused(refusal);
            if let Some(record) = &mut record {
                record.failed(&error);
            }
            response::failure(&error, head.version, unread)
        }
    };
    if let Some(record) = &mut record {
        record.answered(response.status(), None);
    }
    Ok(response.map(|body| body.until_end(in_progress, record, None)))
}

/// The same place over https.
fn location(head: &Parts, https_port: u16) -> Result<HeaderValue, Refusal> {
    // Without a host there is nowhere to send anyone.
    let host = Host::of(head)?.ok_or(Refusal::HostMissing)?;
    framing::check(head)?;
    let target = match head.uri.path_and_query().map_or("/", |target| target.as_str()) {
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
    }

    fn to(host: &str, target: &str, port: u16) -> Result<HeaderValue, Refusal> {
        let request = Request::get(target).header("host", host).body(()).unwrap();
        location(&request.into_parts().0, port)
    }
}
