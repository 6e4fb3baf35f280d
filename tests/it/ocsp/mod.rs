//! Stapled OCSP responses: which are believed, where they come from, and how they reach the client.

mod fetching;
mod openssl;
mod responses;
mod serving;
mod time;
mod wiring;
