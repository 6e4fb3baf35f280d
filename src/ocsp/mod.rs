//! OCSP (RFC 6960): the request for a leaf, and the response as a staple.
//!
//! A [`Staple`] is a response that was verified for its leaf; there is no other way to make one. No IO, no clock, no
//! log: the instant is an argument, and whoever has a network asks the responder with what [`request()`] returns.

mod answer;
mod certificate_id;
mod der;
mod error;
mod generalized_time;
mod request;
mod responder;
mod response;
mod schedule;
mod staple;

pub use error::{Error, ResponseStatus, RevocationReason};
pub use request::request;
pub use schedule::Schedule;
pub use staple::{MOST_BYTES, Staple, Subject};
