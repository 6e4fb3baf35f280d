//! Why an identity or a snapshot cannot be made.

use x509_parser::error::X509Error;
use x509_parser::nom;

/// What is wrong with the material of an identity, or with the cryptography below it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A chain starts with its leaf; there is none.
    #[error("the chain has no leaf")]
    EmptyChain,
    /// The private key is damaged, or of a kind that cannot sign in TLS.
    #[error("the private key cannot be used for TLS")]
    Key(#[source] rustls::Error),
    /// The private key belongs to another certificate.
    #[error("the private key does not fit the leaf's public key")]
    KeyMismatch,
    /// The leaf is not a certificate.
    #[error("the leaf cannot be read")]
    Leaf(#[source] nom::Err<X509Error>),
    /// A further chain starts with another leaf.
    #[error("a further chain is not for the same leaf")]
    OtherLeaf,
    /// The cryptographic library refuses the protocol versions or groups asked for.
    #[error("TLS cannot be set up")]
    ServerConfig(#[source] rustls::Error),
    /// The cryptographic library makes no ticket keys.
    #[error("session ticket keys cannot be made")]
    Tickets(#[source] rustls::Error),
    /// The cryptographic library derives no ticket key.
    #[error("a session ticket key cannot be derived")]
    TicketKey,
}
