//! One request to the world outside: plain HTTP, bounded in every way, to addresses of the public Internet only.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Error;
use super::address::refusal;
use super::limited::Limited;
use super::location::{Host, Location};
use super::network::{Network, System};

/// Fetches certificates and what belongs to them. Cloning it is cheap.
#[derive(Clone)]
pub struct Client {
    network: Arc<dyn Network>,
    allow_private: bool,
    deadlines: Deadlines,
}

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// One address taking the connection.
    pub connect: Duration,
    /// Everything together: resolving, connecting, redirects, and the last byte of the answer.
    pub whole: Duration,
}

impl Default for Deadlines {
    /// Nobody waits for the answer, so they are long enough for a slow CA and short enough to come to an end: one
    /// lost packet costs a second.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            whole: Duration::from_secs(10),
        }
    }
}

/// A certificate takes 2 KiB, a PKCS#7 file with every cross-certificate of a large CA some 50 KiB; an OCSP response
/// takes 2.
const LARGEST_ANSWER: usize = 64 << 10;
/// Two for the CA's own moves, one for its content delivery network.
const MOST_REDIRECTS: usize = 3;
/// IPv4 and IPv6 of two hosts; more only make a dead name slower.
const MOST_ADDRESSES: usize = 4;
/// Everything together that comes on a connection: the largest answer, its header, and as much again for how it is wrapped.
const MOST_BYTES: usize = 2 * LARGEST_ANSWER;
/// The least that hyper takes; no header of such a response comes near.
const HEADER_BUFFER: usize = 16 << 10;

/// What is asked; kept so that a redirect can ask it again.
#[derive(Clone, Debug)]
enum Question {
    Get,
    Post(&'static str, Bytes),
}

/// What an answer amounts to.
enum Answered {
    Whole(Vec<u8>),
    Elsewhere(Location),
}

impl Client {
    /// A client of the operating system's network. With `allow_private` it asks addresses of this machine and its
    /// neighbourhood too.
    pub fn new(allow_private: bool) -> Self {
        Self {
            network: Arc::new(System),
            allow_private,
            deadlines: Deadlines::default(),
        }
    }

    /// The same with another network below.
    #[must_use]
    pub fn on(mut self, network: Arc<dyn Network>) -> Self {
        self.network = network;
        self
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn within(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// What is published at `url`.
    ///
    /// # Errors
    ///
    /// [`Error`] for everything but a whole answer of status 200.
    pub async fn get(&self, url: &str) -> Result<Vec<u8>, Error> {
        self.ask(url, Question::Get).await
    }

    /// What `url` answers to `body`.
    ///
    /// # Errors
    ///
    /// [`Error`] for everything but a whole answer of status 200.
    pub async fn post(&self, url: &str, content_type: &'static str, body: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.ask(url, Question::Post(content_type, body.into())).await
    }

    async fn ask(&self, url: &str, question: Question) -> Result<Vec<u8>, Error> {
        let first = Location::parse(url)?;
        timeout(self.deadlines.whole, self.follow(first, question))
            .await
            .unwrap_or(Err(Error::Deadline(self.deadlines.whole)))
    }

    async fn follow(&self, mut location: Location, question: Question) -> Result<Vec<u8>, Error> {
        for _ in 0..=MOST_REDIRECTS {
            let stream = self.connect(&location).await?;
            match exchange(stream, &location, question.clone()).await? {
                Answered::Whole(bytes) => return Ok(bytes),
                Answered::Elsewhere(next) => location = next,
            }
        }
        Err(Error::Redirects(MOST_REDIRECTS))
    }

    /// A connection to one of the addresses that `location` may be asked at. The name is resolved once, and what was
    /// judged is what is connected to.
    async fn connect(&self, location: &Location) -> Result<TcpStream, Error> {
        let Location { host, port, .. } = location;
        let host_text = match host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        };
        let addresses = match host {
            Host::Address(address) => vec![SocketAddr::new(*address, *port)],
            Host::Name(name) => self
                .network
                .resolve(name, *port)
                .await
                .map_err(|source| Error::Resolve {
                    host: name.clone(),
                    source,
                })?,
        };
        let mut failure = None;
        let mut tried = 0;
        for address in addresses {
            if let Some(why) = refusal(address.ip()).filter(|_| !self.allow_private) {
                failure.get_or_insert(Error::Address {
                    host: host_text.clone(),
                    address: address.ip(),
                    why,
                });
                continue;
            }
            if tried == MOST_ADDRESSES {
                break;
            }
            tried += 1;
            match timeout(self.deadlines.connect, self.network.connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(source)) => failure = Some(connect_error(&host_text, source)),
                Err(_) => failure = Some(connect_error(&host_text, io::ErrorKind::TimedOut.into())),
            }
        }
        Err(failure.unwrap_or_else(|| Error::Resolve {
            host: host_text,
            source: io::Error::other("the name has no address"),
        }))
    }
}

fn connect_error(host: &str, source: io::Error) -> Error {
    Error::Connect {
        host: host.to_owned(),
        source,
    }
}

/// Sends the request and reads the answer.
async fn exchange(stream: TcpStream, location: &Location, question: Question) -> Result<Answered, Error> {
    match exchange_on(stream, location, question).await {
        Err(Error::Http(error)) if is_too_large(&error) => Err(Error::TooLarge(MOST_BYTES)),
        other => other,
    }
}

/// Whether [`Limited`] said so.
fn is_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    let of_stream = error.downcast_ref::<io::Error>();
    of_stream.is_some_and(|error| error.kind() == io::ErrorKind::FileTooLarge)
        || error.source().is_some_and(is_too_large)
}

async fn exchange_on(stream: TcpStream, location: &Location, question: Question) -> Result<Answered, Error> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEADER_BUFFER)
        .handshake(TokioIo::new(Limited::new(stream, MOST_BYTES)))
        .await?;
    // Dropped with the set, whatever comes of it: no connection outlives its request.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let is_get = matches!(question, Question::Get);
    let response = sender.send_request(request(location, question)?).await?;
    match response.status() {
        StatusCode::OK => whole(response).await.map(Answered::Whole),
        // The others may turn a POST into a GET (RFC 9110 section 15.4), which is no request for OCSP.
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => elsewhere(&response, location),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER if is_get => {
            elsewhere(&response, location)
        }
        status => Err(Error::Status(status.as_u16())),
    }
}

fn request(location: &Location, question: Question) -> Result<Request<Full<Bytes>>, Error> {
    let (method, content_type, body) = match question {
        Question::Get => (Method::GET, None, Bytes::new()),
        Question::Post(content_type, body) => (Method::POST, Some(content_type), body),
    };
    let invalid = || Error::Url(location.to_string());
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = location.target.parse().map_err(|_| invalid())?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&location.authority).map_err(|_| invalid())?);
    let name = concat!("fullchain/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(name));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    Ok(request)
}

fn elsewhere(response: &Response<Incoming>, from: &Location) -> Result<Answered, Error> {
    let reference = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    from.join(reference.ok_or(Error::Redirect)?).map(Answered::Elsewhere)
}

/// The body, unless it is or says that it is too large.
async fn whole(response: Response<Incoming>) -> Result<Vec<u8>, Error> {
    let mut body = response.into_body();
    if body.size_hint().lower() > LARGEST_ANSWER as u64 {
        return Err(Error::TooLarge(LARGEST_ANSWER));
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > LARGEST_ANSWER {
            return Err(Error::TooLarge(LARGEST_ANSWER));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
