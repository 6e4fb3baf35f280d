//! What time will do to the configured certificates, put together by cause: an intermediate that ends below five
//! hundred hosts is one line.

use std::collections::HashMap;
use std::sync::Arc;

use rustls_pki_types::UnixTime;
use serde_json::{Value, json};

use super::moment::{date, days, left};
use super::tree::{certificates, names, some_of};
use crate::admin;
use crate::chain::{Cause, Certificate, Change, Effect, Sha256, Status, rfc3339};

/// Names of certificates affected that one line lists.
const MOST_NAMES: usize = 3;

/// Everything that changes until `end`, soonest first.
pub(super) struct Outlook {
    end: UnixTime,
    events: Vec<Event>,
}

/// One or more certificates begin or end, and chains change for it.
struct Event {
    at: UnixTime,
    effect: Effect,
    causes: Vec<Cause>,
    before: Status,
    after: Status,
    /// The root to which nothing leads any more.
    lost_root: Option<Arc<Certificate>>,
    /// File and leaf of each configured certificate whose chain changes.
    affected: Vec<(String, Arc<Certificate>)>,
}

/// Events of one key are one.
type Key = (u64, Effect, Vec<(Sha256, bool)>, Status, Status, Option<Sha256>);

impl Outlook {
    /// Puts together the changes until `end` of certificates, each given with its file.
    pub(super) fn of(changes: impl IntoIterator<Item = (String, Vec<Change>)>, end: UnixTime) -> Self {
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut events: Vec<Event> = Vec::new();
        for (file, changes) in changes {
            for change in changes {
                let place = *places.entry(key(&change)).or_insert(events.len());
                let affected = (file.clone(), change.after.chain.leaf().clone());
                match events.get_mut(place) {
                    Some(event) => event.affected.push(affected),
                    None => events.push(Event {
                        at: change.at,
                        effect: change.effect,
                        causes: change.causes,
                        before: change.before,
                        after: change.after.status,
                        lost_root: change.lost_anchor,
                        affected: vec![affected],
                    }),
                }
            }
        }
        // Of one moment, what affects most comes first; the sort is stable, so the rest is as configured.
        events.sort_by_key(|event| (event.at.as_secs(), std::cmp::Reverse(event.affected.len())));
        Self { end, events }
    }

    /// How many events break something.
    pub(super) fn breaks(&self) -> usize {
        self.events
            .iter()
            .filter(|event| event.effect == Effect::Breaks)
            .count()
    }

    /// A paragraph as of the instant `now`: what breaks, then what changes by itself.
    pub(super) fn text(&self, now: UnixTime) -> String {
        let until = format!("until {} ({})", date(self.end), left(self.end, now));
        let mut text = match self.breaks() {
            0 => format!("nothing breaks {until}\n"),
            1 => format!("1 thing breaks {until}\n"),
            breaks => format!("{breaks} things break {until}\n"),
        };
        let (breaking, other): (Vec<_>, Vec<_>) = self.events.iter().partition(|event| event.effect == Effect::Breaks);
        breaking.iter().for_each(|event| event.write(&mut text, now));
        let (losing, well): (Vec<_>, Vec<_>) = other.into_iter().partition(|event| event.lost_root.is_some());
        for (heading, events) in [
            ("by itself, with nothing to do\n", well),
            ("by itself, but not for all clients\n", losing),
        ] {
            if !events.is_empty() {
                text.push_str(heading);
            }
            events.iter().for_each(|event| event.write(&mut text, now));
        }
        text
    }

    /// The same for programs.
    pub(super) fn json(&self, now: UnixTime) -> Value {
        json!({
            "until": rfc3339(self.end),
            "breaks": self.breaks(),
            "events": self.events.iter().map(|event| event.json(now)).collect::<Vec<_>>(),
        })
    }
}

fn key(change: &Change) -> Key {
    let causes = change
        .causes
        .iter()
        .map(|cause| (cause.certificate.fingerprint(), cause.has_ended));
    let (before, after) = (change.before, change.after.status);
    let lost = change.lost_anchor.as_ref().map(|anchor| anchor.fingerprint());
    (
        change.at.as_secs(),
        change.effect,
        causes.collect(),
        before,
        after,
        lost,
    )
}

impl Event {
    fn write(&self, text: &mut String, now: UnixTime) {
        let causes: Vec<_> = self.causes.iter().map(cause).collect();
        let names: Vec<String> = self.affected.iter().map(|(_, leaf)| names(leaf)).collect();
        text.push_str(&format!(
            "  {}, in {}: {}\n    {} for {}: {}\n",
            date(self.at),
            left(self.at, now),
            causes.join(", "),
            self.outcome(),
            certificates(names.len()),
            some_of(&names, MOST_NAMES),
        ));
        if let Some(root) = &self.lost_root {
            let root = root.brief();
            text.push_str(&format!(
                "    clients that know only {root} find no chain from then on\n"
            ));
        }
    }

    fn outcome(&self) -> String {
        let (before, after) = (self.before, self.after);
        match self.effect {
            Effect::Breaks | Effect::Mends if before != after => format!("{before} becomes {after}"),
            Effect::Breaks if after == Status::Complete => "still complete, but refused by some clients,".to_owned(),
            Effect::Breaks => format!("one more reason to be {after}"),
            Effect::Mends => "no longer refused by some clients".to_owned(),
            Effect::Switches => format!("another chain takes over, {after},"),
        }
    }

    fn json(&self, now: UnixTime) -> Value {
        let causes = self.causes.iter().map(|cause| {
            json!({
                "place": cause.place.as_str(),
                "event": if cause.has_ended { "ends" } else { "begins" },
                "certificate": admin::certificate(&cause.certificate),
            })
        });
        let affected = self
            .affected
            .iter()
            .map(|(file, leaf)| json!({ "file": file, "names": admin::names(leaf) }));
        json!({
            "at": rfc3339(self.at),
            "days": days(self.at, now),
            "effect": match self.effect {
                Effect::Breaks => "breaks",
                Effect::Mends => "mends",
                Effect::Switches => "switches",
            },
            "causes": causes.collect::<Vec<_>>(),
            "before": self.before.as_str(),
            "after": self.after.as_str(),
            "lost_root": self.lost_root.as_ref().map(|root| admin::certificate(root)),
            "affects": affected.collect::<Vec<_>>(),
        })
    }
}

fn cause(cause: &Cause) -> String {
    let verb = if cause.has_ended { "ends" } else { "begins" };
    format!("{} {} {verb}", cause.place.as_str(), cause.certificate.brief())
}
