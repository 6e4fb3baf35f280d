//! One request, over HTTP/1.1 and over HTTP/2: what the backend saw of it and what the client got.

use bytes::Bytes;
use fullchain::proxy::Settings;
use http::Request;
use http_body_util::{BodyExt, Full};

use super::client::{Client, http2};
use super::proxy::Proxy;
use super::upstream::Upstream;

/// A request without a body.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) target: &'a str,
    pub(crate) fields: &'a [(&'a str, &'a str)],
    /// What the backend answers.
    pub(crate) response: &'a str,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The backend's address.
    pub(crate) server: std::net::SocketAddr,
    /// The head that the backend was sent: its first line, then its fields in their order by name.
    pub(crate) request: Vec<String>,
    /// The fields of the response, names in lower case, in their order by name.
    pub(crate) response: Vec<String>,
    pub(crate) status: u16,
}

impl Exchange<'_> {
    /// A GET that is answered with 200.
    pub(crate) const GET: Exchange<'static> = Exchange {
        method: "GET",
        host: "a.test",
        target: "/",
        fields: &[],
        response: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    };

    /// Over each protocol through a proxy of its own, with settings that `alter` makes the test's own.
    pub(crate) fn through(&self, alter: impl Fn(&mut Settings)) -> [Seen; 2] {
        [Self::over_http1, Self::over_http2].map(|over| {
            let upstream = Upstream::answering(self.response);
            let proxy = Proxy::with(&[upstream.address], &alter);
            let (status, mut response) = over(self, &proxy);
            response.sort_unstable();
            Seen {
                server: upstream.address,
                request: upstream.first_head(),
                response,
                status,
            }
        })
    }

    fn over_http1(&self, proxy: &Proxy) -> (u16, Vec<String>) {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let response = Client::of(proxy).send(head + "\r\n").response();
        let lines = response.head.trim_end().split("\r\n").skip(1);
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            format!("{}: {value}", name.to_ascii_lowercase())
        });
        (response.status, fields.collect())
    }

    fn over_http2(&self, proxy: &Proxy) -> (u16, Vec<String>) {
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("https://{}{}", self.host, self.target));
        for (name, value) in self.fields {
            request = request.header(*name, value.as_bytes());
        }
        let request = request.body(Full::<Bytes>::default()).unwrap();
        http2(proxy, async |mut sender| {
            let response = sender.send_request(request).await.unwrap();
            let (head, body) = response.into_parts();
            body.collect().await.unwrap();
            let fields = head
                .headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
            (head.status.as_u16(), fields.collect())
        })
    }
}

impl Seen {
    /// The values that the backend was sent under this name, whatever its case.
    pub(crate) fn sent(&self, name: &str) -> Vec<&str> {
        values(&self.request, name)
    }

    /// The values that the client got under this name.
    pub(crate) fn got(&self, name: &str) -> Vec<&str> {
        values(&self.response, name)
    }
}

fn values<'a>(lines: &'a [String], name: &str) -> Vec<&'a str> {
    let fields = lines.iter().filter_map(|line| line.split_once(':'));
    fields
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}
