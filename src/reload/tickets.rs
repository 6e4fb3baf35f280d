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
        let tls = match loaded {
            Some(Ok(material)) => tickets(material, clock).map_err(|error| vec![error.to_string()])?,
            None | Some(Err(_)) => own.clone(),
        };
        Ok(Self {
            keys: TicketKeys::of(loaded, at)?,
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

fn tickets(material: &TicketMaterial, clock: &Clock) -> Result<Tickets, tls::Error> {
    let clock: Arc<dyn TimeProvider> = Arc::new(clock.clone());
    match material {
        TicketMaterial::Keys { sealing, others } => {
            let key = |file: &TicketKeyFile| TicketKey::of_file(&file.bytes);
            let others = others.iter().map(key).collect::<Result<_, _>>()?;
            Ok(Tickets::of_keys(key(sealing)?, others, clock))
        }
        TicketMaterial::Secret { bytes, .. } => Tickets::of_secret(bytes, clock),
    }
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
    /// What may be told of what was read, if anything was to be, as in force from the instant `at` on.
    ///
    /// # Errors
    ///
    /// What is wrong, in sentences.
    pub fn of(loaded: Option<&LoadedTicketMaterial>, at: UnixTime) -> Result<Self, Vec<String>> {
        let failed = |error: tls::Error| vec![error.to_string()];
        let in_force = |path: &PathBuf, id: String| TicketKeyInForce {
            path: path.clone(),
            id,
            since: at,
        };
        match loaded {
            None => Ok(Self::OfProcess),
            Some(Err(faults)) => Err(faults.iter().map(ToString::to_string).collect()),
            Some(Ok(TicketMaterial::Keys { sealing, others })) => {
                let keys = std::iter::once(sealing).chain(others);
                let keys = keys.map(|file| Ok(in_force(&file.path, TicketKey::of_file(&file.bytes)?.id())));
                keys.collect::<Result<_, _>>().map(Self::OfFiles).map_err(failed)
            }
            Some(Ok(TicketMaterial::Secret { path, bytes })) => {
                let id = Tickets::id_of_secret(bytes).map_err(failed)?;
                Ok(Self::OfSecret(in_force(path, id)))
            }
        }
    }

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::certs;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn file(byte: u8) -> TicketKeyFile {
        TicketKeyFile {
            path: format!("{byte}.key").into(),
            bytes: vec![byte; 80].into(),
        }
    }

    fn files(sealing: u8, others: &[u8]) -> Option<LoadedTicketMaterial> {
        Some(Ok(TicketMaterial::Keys {
            sealing: file(sealing),
            others: others.iter().copied().map(file).collect(),
        }))
    }

    fn broken(path: &str) -> Option<LoadedTicketMaterial> {
        let path = path.into();
        Some(Err(vec![certs::Error::NoTicketKey { path, next: 0 }]))
    }

    struct Scene {
        own: Tickets,
        clock: Clock,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                own: Tickets::new().unwrap(),
                clock: Clock::from(|| at(1)),
            }
        }

        fn first(&self, loaded: Option<LoadedTicketMaterial>) -> Result<Arc<TicketsInForce>, Vec<String>> {
            first(loaded.as_ref(), &self.own, &self.clock, at(1))
        }

        fn again(&self, loaded: Option<LoadedTicketMaterial>, previous: &Arc<TicketsInForce>) -> PreparedTickets {
            again(loaded.as_ref(), previous, &self.own, &self.clock, at(2))
        }
    }

    #[test]
    fn the_first_load_takes_what_is_whole_and_nothing_else() {
        let scene = Scene::new();
        assert_eq!(scene.first(None).unwrap().keys, TicketKeys::OfProcess);
        assert_eq!(scene.first(files(1, &[])).unwrap().keys.all().len(), 1);
        let faults = scene.first(broken("keys")).unwrap_err();
        assert_eq!(faults, ["keys: expected a session ticket key, found none"]);
    }

    #[test]
    fn what_is_new_is_told_and_what_stays_keeps_its_age() {
        let scene = Scene::new();
        let before = scene.first(files(1, &[])).unwrap();
        let same = scene.again(files(1, &[]), &before);
        assert!(Arc::ptr_eq(&same.in_force, &before) && same.news.is_none());
        let after = scene.again(files(2, &[1]), &before);
        let since: Vec<_> = after.in_force.keys.all().iter().map(|key| key.since).collect();
        assert_eq!((since, after.in_force.since), (vec![at(2), at(1)], at(2)));
        let id = |byte: u8| TicketKey::of_file(&[byte; 80]).unwrap().id();
        let sentence = format!(
            "session ticket keys replaced: 2.key ({}) seals; only to open: 1.key ({})",
            id(2),
            id(1)
        );
        assert_eq!(after.news, Some(sentence));
        let own = scene.again(None, &after.in_force);
        assert_eq!(
            own.news.as_deref(),
            Some("session ticket keys are no longer shared: of this process")
        );
    }

    #[test]
    fn what_breaks_keeps_the_last_good_and_says_so_once() {
        let scene = Scene::new();
        let before = scene.first(files(1, &[])).unwrap();
        let kept = scene.again(broken("keys"), &before);
        assert_eq!(kept.in_force.keys, before.keys);
        assert_eq!(
            kept.news.as_deref(),
            Some("the last good session ticket keys stay: keys: expected a session ticket key, found none")
        );
        assert_eq!(kept.faults.len(), 1);
        let still = scene.again(broken("keys"), &kept.in_force);
        assert!(Arc::ptr_eq(&still.in_force, &kept.in_force) && still.news.is_none());
        let restored = scene.again(files(1, &[]), &still.in_force);
        assert_eq!((restored.in_force.kept(), restored.in_force.since), (None, at(1)));
        assert!(
            restored
                .news
                .unwrap()
                .starts_with("the session ticket keys on disk are those that count again")
        );
    }

    #[test]
    fn nothing_that_is_told_holds_a_key() {
        let scene = Scene::new();
        let secret = TicketMaterial::Secret {
            path: "secret".into(),
            bytes: b"do not tell anybody".to_vec().into(),
        };
        let text = format!("{secret:?} {:?}", scene.first(Some(Ok(secret.clone()))).unwrap());
        assert!(
            text.contains("\"secret\"") && !text.contains("anybody") && !text.contains("100, 111"),
            "{text}"
        );
        let text = format!("{:?} {:?}", files(77, &[]), scene.first(files(77, &[])).unwrap());
        assert!(!text.contains("77, 77") && !text.contains("4d4d"), "{text}");
    }
}
