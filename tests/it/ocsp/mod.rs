//! Stapled OCSP responses: which are believed, and how they reach the client.

mod responses;
