//! What becomes of header fields on their way through.

pub(super) mod app;
pub(super) mod by_server;
pub(super) mod client;
pub(super) mod client_cert;
pub(super) mod content_security;
pub(super) mod cookies;
pub(super) mod downstream;
pub(super) mod edits;
mod element;
pub(super) mod forwarded;
pub(super) mod framing;
pub(super) mod hop;
pub(super) mod host;
pub(super) mod hsts;
pub(super) mod identity;
pub(super) mod places;
pub(super) mod prefixes;
pub(super) mod redirects;
mod refresh;
pub(super) mod request_id;
pub(super) mod rewriting;
pub(super) mod rules;
pub(super) mod scheme;
pub(super) mod size;
pub(super) mod template;
pub(super) mod upstream_host;
mod url;
pub(super) mod via;
pub(super) mod webdav;

use http::{HeaderMap, HeaderName};

/// Why a request's head is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// RFC 9112 section 3.2: an HTTP/1.1 request has exactly one Host.
    #[error("the request names no host")]
    HostMissing,
    /// RFC 9112 section 3.2.
    #[error("the request has more than one Host field")]
    HostRepeated,
    /// Neither a name nor an address, or a port that is none.
    #[error("the host is not a name or an address with an optional port")]
    HostInvalid,
    /// The target's authority and the Host field name different hosts.
    #[error("the request target and the Host field name different hosts")]
    HostMismatch,
    /// The request target is none that a server is asked for.
    #[error("the request target is not acceptable for this method")]
    Target,
    /// A path that backends read in different ways, where routes differ by path.
    #[error("the path could be meant for another route: it has dot segments, or what servers read in different ways")]
    Path,
    /// Methods that make no sense through a gateway.
    #[error("the method is not allowed")]
    Method,
    /// RFC 9110 section 10.1.1 knows one expectation.
    #[error("the expectation is not 100-continue")]
    Expectation,
    /// Anything but exactly one `chunked`.
    #[error("the transfer coding is not chunked alone")]
    TransferEncoding,
    /// RFC 9112 section 6.1: the sender may be smuggling; or lengths that are not one, or a line that ends in LF alone.
    #[error("the request has both Content-Length and Transfer-Encoding, not one readable length, or a line without CR")]
    Ambiguous,
    /// RFC 9110 section 7.8: the client speaks the new protocol once it was agreed to.
    #[error("the request asks for another protocol, and more came with it")]
    PrematureUpgrade,
    /// The destination of a COPY or MOVE is the place of another route, or could be.
    #[error("the Destination is not of the route that the request takes")]
    Destination,
    /// More bytes than the limit.
    #[error("the request's header is larger than {0} bytes")]
    TooLarge(usize),
    /// More fields than the limit.
    #[error("the request has too many header fields")]
    TooManyFields,
}

/// Removes every field whose name `unwanted` picks. Allocates only where there is something to remove.
fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Whether `name` is `known` once whatever is no letter or digit is taken for a hyphen. CGI, WSGI and others take
/// underscores for hyphens, some servers every other sign too.
fn reads_as(name: &[u8], known: &str) -> bool {
    name.len() == known.len()
        && name
            .iter()
            .zip(known.bytes())
            .all(|(ours, theirs)| *ours == theirs || (theirs == b'-' && !ours.is_ascii_alphanumeric()))
}
