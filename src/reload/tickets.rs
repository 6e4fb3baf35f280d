//! The keys of session tickets in force: those of this process, or what replicas share.
//!
//! Where the files are broken the last good keys stay. They need not change with them either: of a secret the keys change
//! by themselves.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use super::Clock;
use crate::certs::{LoadedTicketMaterial, TicketKeyFile, TicketMaterial};
use crate::tls::{self, TicketKey, Tickets};

/// The keys of session tickets, as they are in force.
#[derive(Clone, Debug)]
pub struct TicketsInForce {
    /// What is known of them.
    pub keys: TicketKeys,
    /// Since when they are these.
    pub since: UnixTime,
    /// Why what lies on disk by now does not count instead.
    pub kept_because: Option<String>,
    tls: Tickets,
}

/// What may be told of the keys of session tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketKeys {
    /// They belong to this process alone.
    OfProcess,
    /// Replicas share them: the one that seals, then those that only open.
    OfFiles(Vec<TicketKeyInForce>),
    /// Replicas share what they are derived from.
    OfSecret(TicketKeyInForce),
}

/// A key, or what keys are derived from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketKeyInForce {
    /// The file.
    pub path: PathBuf,
    /// What is the same on every replica that has the same in its file, in hexadecimal; it tells nothing of that.
    pub id: String,
    /// Since when it has been in force here.
    pub since: UnixTime,
}

/// What a reload makes of it.
#[derive(Debug)]
pub(super) struct PreparedTickets {
    pub(super) in_force: Arc<TicketsInForce>,
    /// What there is to say, in a sentence; it has been logged.
    pub(super) news: Option<String>,
    /// Why a start with the same files would fail.
    pub(super) faults: Vec<String>,
}

/// The first load: there is nothing to fall back to but keys that nobody shares, which is not what was asked for.
///
/// # Errors
///
/// What is wrong, in sentences.
pub(super) fn first(
    loaded: Option<&LoadedTicketMaterial>,
    own: &Tickets,
    clock: &Clock,
    at: UnixTime,
) -> Result<Arc<TicketsInForce>, Vec<String>> {
    let tickets = TicketsInForce::of(loaded, own, clock, at)?;
    if tickets.keys != TicketKeys::OfProcess {
        tracing::info!(keys = %tickets.keys, "session ticket keys are shared");
    }
    Ok(Arc::new(tickets))
}

/// A later load: what the files say, or the last good keys with the reason.
pub(super) fn again(
    loaded: Option<&LoadedTicketMaterial>,
    previous: &Arc<TicketsInForce>,
    own: &Tickets,
    clock: &Clock,
    at: UnixTime,
) -> PreparedTickets {
    let (next, faults) = match TicketsInForce::of(loaded, own, clock, at) {
        Ok(fresh) => (fresh.after(previous), Vec::new()),
        Err(faults) => {
            let kept = TicketsInForce {
                kept_because: Some(faults.join("; ")),
                ..TicketsInForce::clone(previous)
            };
            (kept, faults)
        }
    };
    let news = next.report(previous);
    PreparedTickets {
        in_force: if news.is_some() {
            Arc::new(next)
        } else {
            Arc::clone(previous)
        },
        news,
        faults,
    }
}

impl TicketsInForce {
    fn of(
        loaded: Option<&LoadedTicketMaterial>,
        own: &Tickets,
        clock: &Clock,
        at: UnixTime,
    ) -> Result<Self, Vec<String>> {
        let failed = |error: tls::Error| vec![error.to_string()];
        let (keys, tls) = match loaded {
            None => (TicketKeys::OfProcess, own.clone()),
            Some(Ok(material)) => shared(material, clock, at).map_err(failed)?,
            Some(Err(faults)) => return Err(faults.iter().map(ToString::to_string).collect()),
        };
        Ok(Self {
            keys,
            since: at,
            kept_because: None,
            tls,
        })
    }

    /// The same, where what was in force before stays as old as it is.
    fn after(self, previous: &Self) -> Self {
        let keys = match self.keys {
            TicketKeys::OfProcess => TicketKeys::OfProcess,
            TicketKeys::OfFiles(keys) => {
                TicketKeys::OfFiles(keys.into_iter().map(|key| key.after(&previous.keys)).collect())
            }
            TicketKeys::OfSecret(key) => TicketKeys::OfSecret(key.after(&previous.keys)),
        };
        let since = match keys == previous.keys {
            true => previous.since,
            false => self.since,
        };
        Self { keys, since, ..self }
    }

    /// What handshakes use.
    pub(super) fn tls(&self) -> &Tickets {
        &self.tls
    }

    /// Why what lies on disk does not count.
    pub(super) fn kept(&self) -> Option<String> {
        let reason = self.kept_because.as_ref()?;
        Some(format!("the last good session ticket keys stay: {reason}"))
    }

    /// Logs what is new in comparison with `previous`, and returns it as a sentence.
    fn report(&self, previous: &Self) -> Option<String> {
        let keys = &self.keys;
        if let Some(reason) = &self.kept_because {
            let is_news = previous.kept_because.as_ref() != Some(reason);
            if is_news {
                tracing::warn!(%keys, reason, "session ticket keys not replaced: the last good ones stay");
            }
            return self.kept().filter(|_| is_news);
        }
        let what = match (&previous.keys == keys, keys) {
            (true, _) if previous.kept_because.is_none() => return None,
            (true, _) => "the session ticket keys on disk are those that count again",
            (false, TicketKeys::OfProcess) => "session ticket keys are no longer shared",
            (false, _) if previous.keys == TicketKeys::OfProcess => "session ticket keys are shared",
            (false, _) => "session ticket keys replaced",
        };
        tracing::info!(%keys, "{what}");
        Some(format!("{what}: {keys}"))
    }
}

fn shared(material: &TicketMaterial, clock: &Clock, at: UnixTime) -> Result<(TicketKeys, Tickets), tls::Error> {
    let clock: Arc<dyn TimeProvider> = Arc::new(clock.clone());
    let key = |file: &TicketKeyFile| TicketKey::of_file(&file.bytes);
    let in_force = |path: &PathBuf, id: String| TicketKeyInForce {
        path: path.clone(),
        id,
        since: at,
    };
    Ok(match material {
        TicketMaterial::Keys { sealing, others } => {
            let keys = std::iter::once(sealing).chain(others);
            let keys = keys.map(|file| Ok(in_force(&file.path, key(file)?.id())));
            let others = others.iter().map(key).collect::<Result<_, _>>()?;
            (
                TicketKeys::OfFiles(keys.collect::<Result<_, tls::Error>>()?),
                Tickets::of_keys(key(sealing)?, others, clock),
            )
        }
        TicketMaterial::Secret { path, bytes } => {
            let id = Tickets::id_of_secret(bytes)?;
            (
                TicketKeys::OfSecret(in_force(path, id)),
                Tickets::of_secret(bytes, clock)?,
            )
        }
    })
}

impl TicketKeyInForce {
    fn after(self, previous: &TicketKeys) -> Self {
        let before = previous.all().iter().find(|before| before.id == self.id);
        Self {
            since: before.map_or(self.since, |before| before.since),
            ..self
        }
    }
}

impl TicketKeys {
    /// All that is shared, what seals first.
    pub fn all(&self) -> &[TicketKeyInForce] {
        match self {
            Self::OfProcess => &[],
            Self::OfFiles(keys) => keys,
            Self::OfSecret(key) => std::slice::from_ref(key),
        }
    }
}

/// As the log has it.
impl fmt::Display for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfProcess => f.write_str("of this process"),
            Self::OfSecret(key) => write!(f, "derived from {} ({})", key.path.display(), key.id),
            Self::OfFiles(keys) => {
                for (place, key) in keys.iter().enumerate() {
                    let does = match place {
                        0 => "",
                        1 => " seals; only to open: ",
                        _ => ", ",
                    };
                    write!(f, "{does}{} ({})", key.path.display(), key.id)?;
                }
                match keys.len() {
                    1 => f.write_str(" seals"),
                    _ => Ok(()),
                }
            }
        }
    }
}
