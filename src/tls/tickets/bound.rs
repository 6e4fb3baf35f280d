//! Tickets that count only where the certificate shown is for the same names as when they were made.
//!
//! Whoever has the keys of the tickets can answer for every host in them. Where deployments of different hosts share keys
//! by mistake, or a certificate has moved, a client that was led to the wrong one would take it for the right one:
//! resuming shows no certificate (Delignat-Lavaud and Bhargavan, "Network-based Origin Confusion Attacks against HTTPS
//! Virtual Hosting", 2015). rustls refuses sessions of another server name; this refuses those that a full handshake
//! here would not have come to.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use rustls::server::ProducesTickets;

use crate::tls::memory::Memory;

/// The tickets of one handshake.
#[derive(Debug)]
pub(in crate::tls) struct Bound {
    tickets: Arc<dyn ProducesTickets>,
    /// Knows which identity is shown before any ticket is looked at: rustls chooses the certificate first.
    memory: Arc<Memory>,
}

impl Bound {
    pub(in crate::tls) fn new(tickets: Arc<dyn ProducesTickets>, memory: Arc<Memory>) -> Self {
        Self { tickets, memory }
    }

    /// What stands for the names of the identity that is shown.
    fn names(&self) -> Option<[u8; SHA256_OUTPUT_LEN]> {
        let mut names: Vec<&str> = self.memory.shown.get()?.iter().map(|name| &**name).collect();
        names.sort_unstable();
        let mut context = Context::new(&SHA256);
        for name in names {
            context.update(name.as_bytes());
            // In no name.
            context.update(b"\n");
        }
        context.finish().as_ref().try_into().ok()
    }
}

impl ProducesTickets for Bound {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        self.tickets.encrypt(&[&self.names()?, session].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let opened = self.tickets.decrypt(ticket)?;
        opened.strip_prefix(&self.names()?).map(<[u8]>::to_vec)
    }
}
