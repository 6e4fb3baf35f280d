//! Phase two of a reload: the one store that makes everything visible, and what is said about it.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;

use super::client_auth::{ClientAuth, PreparedClientAuth};
use super::handle::Outcome;
use super::naming::{by_name, name};
use super::prepare::{Event, Prepared};
use super::report::{report, report_out_of_reach};
use super::served::{Generation, Served};
use super::task::Task;
use super::tickets::{PreparedTickets, TicketsInForce};
use crate::tls;

/// How soon files are read again after a reload that kept something: a torn write heals by itself.
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(1);

impl Task {
    /// Phase two: the one store that makes everything visible.
    pub(super) fn publish(
        &mut self,
        prepared: Prepared,
        client_auth: PreparedClientAuth,
        tickets: PreparedTickets,
        problems: Vec<String>,
        at: UnixTime,
    ) -> Result<Outcome, tls::Error> {
        let Prepared {
            served,
            events,
            refused,
            until,
            ..
        } = prepared;
        warn_if_none(&served);
        let snapshot = self.next_snapshot(&served, &client_auth.in_force, &tickets.in_force)?;
        self.snapshot.publish(snapshot);
        let previous = self.generation.publish(Generation {
            served,
            client_auth: client_auth.in_force,
            tickets: tickets.in_force,
            problems,
            read_at: at,
        });
        let current = self.generation.current();
        report_out_of_reach(&previous.served, &current.served);
        let before = OnceCell::new();
        let before = |kept: &Served| {
            before
                .get_or_init(|| by_name(&previous.served))
                .get(&name(&kept.source))
                .copied()
        };
        let is_news = |event: &&Event| match event {
            Event::Kept(place) => {
                let kept = &current.served[*place];
                before(kept).is_none_or(|before| before.kept_because != kept.kept_because)
            }
            Event::StapleKept(place) => {
                let kept = &current.served[*place];
                before(kept).is_none_or(|before| before.stapled != kept.stapled)
            }
            _ => true,
        };
        let sentence = |event: &Event| report(event, &current.served);
        let is_kept = |event: &Event| matches!(event, Event::Kept(_) | Event::StapleKept(_));
        let any_certificate_kept = events.iter().any(is_kept);
        // What was kept beside something that changed may be judged otherwise next to that.
        self.is_settled = !any_certificate_kept || events.iter().all(is_kept);
        let refused = [refused, client_auth.refused].concat();
        (self.until, self.refused) = (until, refused.clone());
        let is_any_kept_beside = current.client_auth.kept().next().is_some() || current.tickets.kept().is_some();
        let any_kept = any_certificate_kept || is_any_kept_beside;
        let retry = self.retry_after.map_or(FIRST_RETRY, |retry| self.next_retry(retry));
        self.retry_after = any_kept.then_some(retry);
        let mut sentences: Vec<String> = events.iter().filter(is_news).map(sentence).collect();
        sentences.extend(client_auth.news);
        sentences.extend(tickets.news);
        if any_kept && sentences.is_empty() {
            sentences = kept(&current).collect();
        }
        self.tell_endings(&current, at);
        let any_refused = !refused.is_empty();
        sentences.extend(refused);
        Ok(match (any_kept || any_refused, sentences.is_empty()) {
            (true, _) => Outcome::Kept(sentences),
            (false, true) => Outcome::Unchanged,
            (false, false) => Outcome::Changed(sentences),
        })
    }

    /// What handshakes will see where this is served.
    fn next_snapshot(
        &self,
        served: &[Arc<Served>],
        client_auth: &ClientAuth,
        tickets: &TicketsInForce,
    ) -> Result<tls::Snapshot, tls::Error> {
        let current = self.snapshot.current();
        let next = current.succeeded_by(identities(served), tickets.tls(), &self.plan.tls)?;
        Ok(next.with_client_auth(Arc::clone(client_auth.tls())))
    }

    /// Says what ends soon of all that `current` holds, and notes when there will be more to say.
    pub(super) fn tell_endings(&mut self, current: &Generation, at: UnixTime) {
        let next = [
            self.endings.tell(&current.served, at),
            self.trust_endings.tell(&current.client_auth, at),
        ];
        self.next_ending = next.into_iter().flatten().min_by_key(UnixTime::as_secs);
    }

    /// The stapler has said what there is to say.
    pub(super) fn put_on_staples(&self) {
        let (at, current) = (self.clock.now(), self.generation.current());
        let mut served = current.served.clone();
        if !self.staples.put_on(&mut served, at) {
            return;
        }
        match self.next_snapshot(&served, &current.client_auth, &current.tickets) {
            Ok(snapshot) => {
                self.snapshot.publish(snapshot);
                self.generation.publish(Generation {
                    served,
                    ..Generation::clone(&current)
                });
            }
            Err(error) => tracing::error!(%error, "staples are not replaced"),
        }
    }

    /// A reload failed at the instant `at`. What was the reason for it may still be one, but not at once.
    pub(super) fn failed(&mut self, at: UnixTime) {
        self.is_settled = false;
        let retry = self.retry_after.map_or(FIRST_RETRY, |retry| self.next_retry(retry));
        self.retry_after = Some(retry);
        let later = Duration::from_secs(at.as_secs()).saturating_add(retry.max(FIRST_RETRY));
        self.until = Some(UnixTime::since_unix_epoch(later));
        (self.repair.retry_at, self.next_ending) = (None, None);
    }

    /// What there is to say where the files are the same as before.
    pub(super) fn standing(&self, current: &Generation) -> Outcome {
        let sentences: Vec<_> = kept(current).chain(self.refused.iter().cloned()).collect();
        match sentences.is_empty() {
            true => Outcome::Unchanged,
            false => Outcome::Kept(sentences),
        }
    }

    pub(super) fn next_retry(&self, retry: Duration) -> Duration {
        (retry * 2).min(self.plan.reload.poll_interval)
    }
}

/// Legal where there are certificate directories: the first file may come later.
pub(super) fn warn_if_none(served: &[Arc<Served>]) {
    if served.is_empty() {
        tracing::warn!("there is no certificate to serve: every handshake fails until one appears");
    }
}

/// Why what lies on disk is not served.
fn kept(current: &Generation) -> impl Iterator<Item = String> {
    let reasons = |served: &Arc<Served>| [served.kept_because.clone(), served.staple_kept_because()];
    let certificates = current.served.iter().flat_map(reasons).flatten();
    certificates
        .chain(current.client_auth.kept())
        .chain(current.tickets.kept())
}

pub(super) fn identities(served: &[Arc<Served>]) -> Vec<tls::Identity> {
    served.iter().map(|served| served.identity.clone()).collect()
}
