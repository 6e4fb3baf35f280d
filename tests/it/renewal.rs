//! Files change under the real binary; clients see the new chain, or the last good one, and never a failed handshake.

mod clients;
mod configuration;
mod files;
mod store;
mod time;
mod worse;
