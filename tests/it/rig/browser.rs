//! A client of either protocol that authenticates its connection as a browser does.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::PATIENCE;
use super::client::connect;
use super::ntlm::{authenticate, negotiate};
use super::proxy::{NAME, Proxy};

/// A client with one connection.
pub(crate) struct Browser {
    /// Who sits before it.
    pub(crate) user: String,
    sender: Sender,
}

/// What it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Both of them.
pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A response with its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) async fn connect(proxy: &Proxy, protocol: Protocol, user: impl Into<String>) -> Self {
        let sender = match protocol {
            Protocol::Http1 => {
                let stream = connect(proxy, &[b"http/1.1"]).await;
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
                tokio::spawn(connection);
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let stream = connect(proxy, &[b"h2"]).await;
                let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
                let (sender, connection) = handshake.await.unwrap();
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        };
        Self {
            user: user.into(),
            sender,
        }
    }

    /// Another handle of the same HTTP/2 connection.
    pub(crate) fn beside(&self) -> Self {
        let Sender::Http2(sender) = &self.sender else {
            panic!("HTTP/1.1 has one request at a time")
        };
        Self {
            user: self.user.clone(),
            sender: Sender::Http2(sender.clone()),
        }
    }

    /// Sends a request that has neither host nor client, and waits for the head of its response.
    pub(crate) async fn begin(&mut self, mut request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let client = self.user.parse().unwrap();
        request.headers_mut().insert("x-client", client);
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                request.headers_mut().insert(HOST, NAME.parse().unwrap());
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                *request.uri_mut() = format!("https://{NAME}{}", request.uri()).parse().unwrap();
                sender.send_request(request).await
            }
        }
    }

    /// The same, and reads the response.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Reply {
        let response = self.begin(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// GET with these fields.
    pub(crate) async fn get_with(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut request = Request::get(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::default()).unwrap()).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.get_with(path, &[]).await
    }

    /// GET with these credentials.
    pub(crate) async fn get_as(&mut self, path: &str, credentials: &str) -> Reply {
        self.get_with(path, &[(AUTHORIZATION.as_str(), credentials)]).await
    }

    /// Authenticates the connection by `NTLM` or by `Negotiate`; the last response.
    pub(crate) async fn sign_in(&mut self, scheme: &str) -> Reply {
        let challenged = self.get_as("/", &negotiate(scheme)).await;
        assert_eq!(challenged.status, 401, "{challenged:?}");
        let credentials = authenticate(challenged.offers(), &self.user);
        self.get_as("/", &credentials).await
    }
}

impl Reply {
    /// The values of WWW-Authenticate.
    pub(crate) fn offers(&self) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all(WWW_AUTHENTICATE);
        values.iter().map(|value| value.to_str().unwrap())
    }

    /// Whom the backend took the client for.
    pub(crate) fn user(&self) -> &str {
        assert_eq!(self.status, 200, "{self:?}");
        self.text.split(' ').next().unwrap()
    }

    /// On which of its connections the backend answered.
    pub(crate) fn connection(&self) -> usize {
        self.text
            .split(' ')
            .nth(1)
            .unwrap_or_else(|| panic!("{self:?}"))
            .parse()
            .unwrap()
    }
}

/// Runs what browsers do, one thread for all of them.
pub(crate) fn browse<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let all = tokio::task::LocalSet::new();
    all.block_on(&runtime, async { tokio::time::timeout(PATIENCE, what).await })
        .expect("they are done in time")
}
