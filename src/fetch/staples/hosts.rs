//! Who may be asked now: a responder that hangs must not take the places of the others. Pure: the instant is an argument.

use std::collections::{HashMap, HashSet};

use rustls::pki_types::UnixTime;

use crate::ocsp::Schedule;

/// Rounds of asking at a time at one host that answers: it is not ours.
const MOST_AT_ONE_HOST: usize = 2;

/// How it went with each host so far.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<String, Host>);

#[derive(Debug, Default)]
struct Host {
    asking: usize,
    /// Until it has answered once, one round at a time has to do.
    has_answered: bool,
    schedule: Schedule,
    /// Why it seems to be down.
    problem: Option<String>,
}

impl Hosts {
    /// Whether one more round may begin at `host`. After a failure everybody pauses, then one goes to see.
    pub(super) fn has_room(&self, host: &str, now: UnixTime) -> bool {
        let Some(known) = self.0.get(host) else {
            return true;
        };
        let most = match known.has_answered && known.problem.is_none() {
            true => MOST_AT_ONE_HOST,
            false => 1,
        };
        known.asking < most && !self.is_paused(host, now)
    }

    /// Whether `host` failed lately, so that nobody asks it at the instant `now`.
    pub(super) fn is_paused(&self, host: &str, now: UnixTime) -> bool {
        let known = self.0.get(host);
        known.is_some_and(|host| host.problem.is_some() && !host.schedule.is_due(None, now))
    }

    /// When a pause of `host` ends, if it failed last.
    pub(super) fn paused_until(&self, host: &str) -> Option<UnixTime> {
        let known = self.0.get(host).filter(|host| host.problem.is_some())?;
        Some(known.schedule.next(None))
    }

    /// Why `host` seems to be down.
    pub(super) fn problem(&self, host: &str) -> Option<&str> {
        self.0.get(host)?.problem.as_deref()
    }

    /// A round begins at `host`.
    pub(super) fn begin(&mut self, host: &str) {
        self.0.entry(host.to_owned()).or_default().asking += 1;
    }

    /// A round that began at `host` has ended.
    pub(super) fn end(&mut self, host: &str) {
        if let Some(host) = self.0.get_mut(host) {
            host.asking = host.asking.saturating_sub(1);
        }
    }

    /// `host` has answered at the instant `at`, or did not, for this reason.
    pub(super) fn take(&mut self, host: String, problem: Option<String>, at: UnixTime) {
        let host = self.0.entry(host).or_default();
        host.has_answered |= problem.is_none();
        // Rounds that began together fail together: that is one failure.
        let is_told = problem.is_some() && host.problem.is_some() && !host.schedule.is_due(None, at);
        if !is_told {
            host.schedule = match problem {
                Some(_) => host.schedule.failed(at),
                None => host.schedule.answered(at),
            };
        }
        host.problem = problem;
    }

    /// Lets everybody be asked at once: something has changed on the way.
    pub(super) fn forget_failures(&mut self) {
        for host in self.0.values_mut() {
            (host.schedule, host.problem) = (Schedule::default(), None);
        }
    }

    /// Forgets all that no leaf names any more.
    pub(super) fn retain(&mut self, named: &HashSet<&str>) {
        self.0
            .retain(|name, host| host.asking > 0 || named.contains(name.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn failure() -> Option<String> {
        Some("no answer".to_owned())
    }

    #[test]
    fn a_host_is_asked_once_until_it_has_answered_and_then_twice_at_a_time() {
        let mut hosts = Hosts::default();
        hosts.begin("a.test");
        assert!(!hosts.has_room("a.test", at(0)));
        assert!(hosts.has_room("b.test", at(0)));
        hosts.end("a.test");
        hosts.take("a.test".to_owned(), None, at(1));
        hosts.begin("a.test");
        assert!(hosts.has_room("a.test", at(1)));
        hosts.begin("a.test");
        assert!(!hosts.has_room("a.test", at(1)));
    }

    #[test]
    fn a_host_that_failed_is_left_alone_and_then_asked_by_one() {
        let mut hosts = Hosts::default();
        hosts.take("a.test".to_owned(), None, at(0));
        hosts.take("a.test".to_owned(), failure(), at(10));
        hosts.take("a.test".to_owned(), failure(), at(11));
        assert!(!hosts.has_room("a.test", at(69)));
        assert_eq!(hosts.paused_until("a.test"), Some(at(70)));
        assert!(hosts.has_room("a.test", at(70)));
        hosts.begin("a.test");
        assert!(!hosts.has_room("a.test", at(70)));
        hosts.end("a.test");
        hosts.take("a.test".to_owned(), failure(), at(80));
        assert_eq!(hosts.paused_until("a.test"), Some(at(200)));
        hosts.take("a.test".to_owned(), None, at(201));
        assert_eq!((hosts.paused_until("a.test"), hosts.problem("a.test")), (None, None));
        assert!(hosts.has_room("a.test", at(201)));
    }

    #[test]
    fn what_no_leaf_names_is_forgotten_unless_it_is_being_asked() {
        let mut hosts = Hosts::default();
        hosts.take("a.test".to_owned(), failure(), at(0));
        hosts.begin("b.test");
        hosts.retain(&HashSet::new());
        assert!(hosts.has_room("a.test", at(0)));
        assert!(!hosts.has_room("b.test", at(0)));
    }
}
