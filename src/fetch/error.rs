//! Why nothing was fetched.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Why a URL gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host has addresses, and none of them is one of the public Internet.
    #[error("{host} is at {address}, {why}, and such addresses are not asked unless `aia_allow_private` says so")]
    Address {
        /// The host as the URL names it.
        host: String,
        /// The first of its addresses.
        address: IpAddr,
        /// What kind of address that is.
        why: &'static str,
    },
    /// No address of the host took the connection.
    #[error("{host} cannot be connected to: {source}")]
    Connect {
        /// The host as the URL names it.
        host: String,
        /// What the last address tried said.
        source: io::Error,
    },
    /// The URL holds a user's name or password.
    #[error("expected a URL without user name and password, found one with them")]
    Credentials,
    /// Everything together took too long.
    #[error("no whole answer within {0:?}")]
    Deadline(Duration),
    /// The other side does not speak HTTP, or stopped in the middle.
    #[error("expected an HTTP response, found something else: {0}")]
    Http(#[from] hyper::Error),
    /// A redirect without a readable Location.
    #[error("redirected without saying where to")]
    Redirect,
    /// One redirect led to the next, too often.
    #[error("redirected more than {0} times")]
    Redirects(usize),
    /// The name of the host does not resolve.
    #[error("{host} does not resolve: {source}")]
    Resolve {
        /// The host as the URL names it.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// A URL of a scheme that is not followed.
    #[error("{0}: only plain http is asked (what is fetched is judged by its signature, not by who sent it)")]
    Scheme(String),
    /// Nothing was asked: other questions to the server came to nothing.
    #[error("{0} is not asked this time: it gave no answer to other questions")]
    Silent(String),
    /// The answer has another status than 200.
    #[error("expected status 200, found {0}")]
    Status(u16),
    /// The answer is larger than it may be.
    #[error("expected at most {0} bytes, found more")]
    TooLarge(usize),
    /// No URL at all, or not one that could be in a certificate.
    #[error("{0}: expected a URL such as http://ca.example/issuer.cer")]
    Url(String),
}

impl Error {
    /// Every word of [`cause`](Self::cause).
    pub const CAUSES: [&'static str; 12] = [
        "address",
        "connect",
        "credentials",
        "deadline",
        "http",
        "redirect",
        "resolve",
        "scheme",
        "silent",
        "status",
        "too-large",
        "url",
    ];

    /// Why, in a word for counters.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Address { .. } => "address",
            Self::Connect { .. } => "connect",
            Self::Credentials => "credentials",
            Self::Deadline(_) => "deadline",
            Self::Http(_) => "http",
            Self::Redirect | Self::Redirects(_) => "redirect",
            Self::Resolve { .. } => "resolve",
            Self::Scheme(_) => "scheme",
            Self::Silent(_) => "silent",
            Self::Status(_) => "status",
            Self::TooLarge(_) => "too-large",
            Self::Url(_) => "url",
        }
    }
}
