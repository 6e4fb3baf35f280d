//! What there is to say of the certificates that a server sends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;

use super::{Certificate, Flaw, ParseError, Refusal, Wanted, Warning, in_words, rfc3339};

/// One thing that is worth telling of what a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Certificates between the leaf and a root are not sent.
    Incomplete {
        /// The ones that are known, in the order in which they belong into the chain.
        missing: Vec<Arc<Certificate>>,
        /// The one above them that nobody here knows.
        wanted: Option<Wanted>,
    },
    /// A certificate that every client needs has something wrong with it.
    Flawed(Flaw),
    /// The leaf is for other names.
    NameMismatch {
        /// The name asked for.
        name: String,
        /// Those of the leaf.
        names: Vec<String>,
    },
    /// The leaf is self-signed, and nobody has reason to trust it.
    SelfSigned,
    /// The chain leads to no configured root.
    Untrusted {
        /// The self-signed certificate that it leads to, if any.
        root: Option<Arc<Certificate>>,
        /// The issuer that is neither sent nor known, if any.
        wanted: Option<Wanted>,
    },
    /// What was sent at this place, counted from 1, is no certificate.
    Unreadable {
        /// The place.
        position: usize,
        /// What is wrong there.
        error: ParseError,
    },
    /// A certificate is sent that is not needed, and no longer valid.
    ExpiredBeside(Arc<Certificate>),
    /// The certificates do not follow one another as each is certified by the next.
    WrongOrder {
        /// Whether the server speaks a version of TLS that asks for the order.
        is_strict: bool,
    },
    /// What some clients stumble over, or what will go wrong before the leaf expires.
    Warned(Warning),
    /// A certificate expires soon.
    ExpiresSoon {
        /// The certificate.
        certificate: Arc<Certificate>,
        /// How long it is valid yet.
        left: Duration,
        /// Whether that is less than was asked for.
        is_fault: bool,
    },
    /// A certificate is sent more than once.
    Duplicate(Arc<Certificate>),
    /// A root is sent, which clients have or have no use for.
    SuperfluousRoot(Arc<Certificate>),
    /// A certificate is sent that has nothing to do with the leaf.
    Superfluous(Arc<Certificate>),
    /// With what is known here a chain can be made that is to be preferred to the one that is sent.
    BetterChain {
        /// What it has that is not sent.
        with: Vec<Arc<Certificate>>,
        /// What it does without.
        instead_of: Vec<Arc<Certificate>>,
    },
}

/// How much a finding matters, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Clients refuse the server, but for those that happen to know what others do not.
    Error,
    /// Some clients refuse the server, or it is not what was asked for.
    Warning,
    /// No client refuses the server for it today.
    Note,
}

impl Severity {
    /// The severity in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Finding {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Incomplete { .. }
            | Self::Flawed(_)
            | Self::NameMismatch { .. }
            | Self::SelfSigned
            | Self::Untrusted { .. }
            | Self::Unreadable { .. } => Severity::Error,
            Self::WrongOrder { is_strict: false } | Self::ExpiresSoon { is_fault: false, .. } => Severity::Note,
            Self::Warned(Warning::ExpiresBeforeLeaf { .. }) => Severity::Note,
            Self::ExpiredBeside(_) | Self::WrongOrder { .. } | Self::Warned(_) | Self::ExpiresSoon { .. } => {
                Severity::Warning
            }
            Self::Duplicate(_) | Self::SuperfluousRoot(_) | Self::Superfluous(_) | Self::BetterChain { .. } => {
                Severity::Note
            }
        }
    }

    /// Whether it is about the order alone.
    pub fn is_order(&self) -> bool {
        matches!(self, Self::WrongOrder { .. })
    }

    /// What kind of finding it is, in words that never change.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Incomplete { .. } => "incomplete",
            Self::Flawed(flaw) => kind_of_flaw(flaw),
            Self::NameMismatch { .. } => "name mismatch",
            Self::SelfSigned => "self-signed",
            Self::Untrusted { .. } => "untrusted",
            Self::Unreadable { .. } => "unreadable",
            Self::ExpiredBeside(_) => "expired",
            Self::WrongOrder { .. } => "wrong order",
            Self::Warned(Warning::ExpiresBeforeLeaf { .. }) => "expires before the leaf",
            Self::Warned(Warning::AnchorExpired { .. }) => "expired root",
            Self::Warned(_) => "some clients refuse it",
            Self::ExpiresSoon { .. } => "expires soon",
            Self::Duplicate(_) => "duplicate",
            Self::SuperfluousRoot(_) => "superfluous root",
            Self::Superfluous(_) => "superfluous",
            Self::BetterChain { .. } => "better chain",
        }
    }

    /// The certificate that it is about: one that is sent, or a root that ends soon.
    pub fn certificate(&self) -> Option<&Arc<Certificate>> {
        match self {
            Self::Flawed(Flaw::Certificate { certificate, .. })
            | Self::ExpiredBeside(certificate)
            | Self::ExpiresSoon { certificate, .. }
            | Self::Duplicate(certificate)
            | Self::SuperfluousRoot(certificate)
            | Self::Superfluous(certificate)
            | Self::Warned(Warning::ExpiresBeforeLeaf { certificate, .. }) => Some(certificate),
            _ => None,
        }
    }
}

fn kind_of_flaw(flaw: &Flaw) -> &'static str {
    match flaw {
        Flaw::Certificate { refusal, .. } => match refusal {
            Refusal::Expired(_) => "expired",
            Refusal::NotYetValid(_) => "not yet valid",
            Refusal::WeakSignature(_) | Refusal::WeakKey(_) => "weak",
            Refusal::LeafIsCa => "CA as leaf",
            _ => "invalid",
        },
        Flaw::SelfCheck(_) => "invalid",
    }
}

/// The kind first, so that the line can be understood by its beginning.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpiresSoon { certificate, left, .. } => {
                let left = in_words(*left);
                write!(f, "expires in {left}: {certificate}, {}", on(certificate.not_after()))
            }
            finding => {
                write!(f, "{}: ", finding.kind())?;
                finding.write_details(f)
            }
        }
    }
}

impl Finding {
    fn write_details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { missing, wanted } => {
                if !missing.is_empty() {
                    f.write_str("add ")?;
                    write_list(f, missing)?;
                }
                match wanted {
                    Some(wanted) if missing.is_empty() => write_unknown(f, wanted),
                    Some(wanted) => {
                        f.write_str("; ")?;
                        write_unknown(f, wanted)
                    }
                    None => Ok(()),
                }
            }
            Self::Flawed(Flaw::Certificate {
                certificate,
                refusal: Refusal::Expired(_),
            }) => write!(f, "{certificate} {}", on(certificate.not_after())),
            Self::Flawed(flaw) => write!(f, "{flaw}"),
            Self::NameMismatch { name, names } if names.is_empty() => {
                write!(f, "the certificate names no host (no subjectAltName), let alone {name}")
            }
            Self::NameMismatch { name, names } => {
                let (shown, others) = names.split_at(names.len().min(MOST_NAMES));
                write!(f, "the certificate is not for {name} but for {}", shown.join(", "))?;
                match others.len() {
                    0 => Ok(()),
                    others => write!(f, " and {others} more"),
                }
            }
            Self::SelfSigned => f.write_str("the certificate is its own issuer, and no configured root"),
            Self::Untrusted { root, wanted } => match (root, wanted) {
                (Some(root), _) => write!(f, "the chain ends at {root}, which is no configured root"),
                (None, Some(wanted)) => write_unknown(f, wanted),
                (None, None) => f.write_str("the chain ends at no configured root"),
            },
            Self::Unreadable { position, error } => write!(f, "number {position} of what is sent: {error}"),
            Self::ExpiredBeside(certificate) => write!(
                f,
                "{certificate} {}; not needed, but old clients (OpenSSL before 1.1) stop at it",
                on(certificate.not_after())
            ),
            Self::WrongOrder { is_strict: true } => {
                f.write_str("each certificate must certify the one before it; some TLS 1.2 clients insist")
            }
            Self::WrongOrder { is_strict: false } => {
                f.write_str("each certificate should certify the one before it; TLS 1.3 clients put up with it")
            }
            Self::Warned(warning) => write!(f, "{warning}"),
            Self::Duplicate(certificate) => write!(f, "{certificate} is sent more than once"),
            Self::SuperfluousRoot(certificate) => {
                write!(f, "{certificate}; clients have it, or have no use for it")
            }
            Self::Superfluous(certificate) => write!(f, "{certificate} has no place in the chain"),
            Self::BetterChain { with, instead_of } => {
                f.write_str("add ")?;
                write_list(f, with)?;
                if !instead_of.is_empty() {
                    f.write_str(" instead of ")?;
                    write_list(f, instead_of)?;
                }
                Ok(())
            }
            Self::ExpiresSoon { .. } => Ok(()),
        }
    }
}

/// Names that a line has room for.
const MOST_NAMES: usize = 5;

/// Whom nobody here knows.
fn write_unknown(f: &mut fmt::Formatter<'_>, wanted: &Wanted) -> fmt::Result {
    let Wanted { issuer_of, .. } = wanted;
    write!(f, "the issuer of {issuer_of} is neither sent nor known here: {wanted}")
}

fn write_list(f: &mut fmt::Formatter<'_>, certificates: &[Arc<Certificate>]) -> fmt::Result {
    for (position, certificate) in certificates.iter().enumerate() {
        let comma = if position == 0 { "" } else { ", " };
        write!(f, "{comma}{certificate}")?;
    }
    Ok(())
}

/// `on 2026-08-30`: to the day, as people speak of it.
fn on(time: UnixTime) -> String {
    let time = rfc3339(time);
    format!("on {}", time.split('T').next().unwrap_or(&time))
}
