//! NTLM and Negotiate: what authenticates a connection and not a request.
//!
//! A server behind us takes everything that comes on one connection for the work of whoever authenticated on it. So a
//! connection that carried such credentials is this client's alone: it never was in a pool with others' requests
//! waiting for it, never goes into one, and ends with the client's connection. This is a security boundary; a proxy
//! without it logs users in as somebody else (traefik#3792, haproxy#581, CVE-2026-88007).
//!
//! ```text
//! credentials  what a request carries, and whether that begins a handshake
//! offers       what a response offers
//! pins         the connections that one client has for itself
//! exchange     on which connection a request goes, and which is kept for the client from then on
//! ```
//!
//! Kerberos inside Negotiate authenticates a request alone where the server is told so (`authPersistNonNTLM` of IIS);
//! whether it is cannot be seen from here, so that it is treated alike.

mod credentials;
mod exchange;
mod offers;
mod pins;

pub(super) use self::exchange::exchange;
pub(super) use self::pins::{Pins, Whose};

/// What becomes of Windows authentication on a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowsAuth {
    /// Clients that use it, or are offered it, have a connection to the backend for themselves.
    #[default]
    Detect,
    /// The same, and clients of HTTP/2 are sent to HTTP/1.1, as IIS does.
    Http1,
    /// It is taken out of both directions.
    Remove,
}

/// The schemes that authenticate a connection, by how their names begin: `Negotiate` and its extensions `Nego2` and
/// `NegoExts`, and what WinRM has besides. What is none of them but looks alike costs a connection; the reverse would
/// cost an identity, and there are servers that compare no more than the beginning.
const SCHEMES: [&[u8]; 4] = [b"NTLM", b"Nego", b"Kerberos", b"CredSSP"];

/// Whether the credentials or the challenge that begins so are of a scheme that authenticates a connection.
fn is_windows(text: &[u8]) -> bool {
    let begins_with = |scheme: &&[u8]| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    SCHEMES.iter().any(begins_with)
}
