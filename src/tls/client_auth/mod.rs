//! How clients are authenticated, host by host.
//!
//! The policy of a connection is that of the name in its ClientHello; of one without a name, that for all other hosts.
//! A session never takes one host's authentication to another (CVE-2025-23419), nor past the end or the revocation of a
//! certificate: where clients are asked for certificates there are no tickets at all, so every connection begins with
//! a certificate that was verified then.

mod certificates;
mod examination;
mod examiner;
mod hosts;
mod refused;
mod told;

use std::fmt;
use std::sync::Arc;

use hosts::Hosts;

use super::names::MAX_NAME_BYTES;

pub use certificates::ClientCertificates;
pub(super) use examination::{Examination, Verdict};
pub use examiner::{Examiner, ExaminerError, Revocation, RevocationDepth, RevocationPolicy};
pub(super) use hosts::Asked;
pub use refused::{RefusedBecause, RefusedCertificate};

/// How the clients of all hosts are authenticated; immutable.
#[derive(Debug)]
pub struct ClientAuth {
    /// Of each policy, by its place.
    demands: Box<[Demand]>,
    hosts: Hosts,
}

/// How the clients of some hosts are authenticated.
#[derive(Clone, Debug)]
pub struct ClientAuthPolicy {
    /// Names in lower case, exact or `*.` and the rest; none stands for all hosts that no other policy names.
    pub hosts: Vec<Box<str>>,
    /// What is asked of them.
    pub demand: Demand,
}

/// What is asked of a client.
#[derive(Clone, Debug)]
pub enum Demand {
    /// No certificate.
    Nothing,
    /// A certificate, if it has one; one that does not stand the examination is refused all the same.
    Optional(Arc<Examiner>),
    /// A certificate.
    Required(Arc<Examiner>),
}

/// The same as [`Demand`], in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuthMode {
    /// No certificate is asked for.
    #[default]
    Off,
    /// A certificate is asked for.
    Optional,
    /// No request without a certificate.
    Required,
}

impl ClientAuth {
    /// The policies in force. Of two for the same host the earlier counts; where none stands for all other hosts, nothing
    /// is asked of their clients.
    pub fn new(policies: Vec<ClientAuthPolicy>) -> Self {
        Self {
            hosts: Hosts::of(&policies),
            demands: policies.into_iter().map(|policy| policy.demand).collect(),
        }
    }

    /// The place of the policy for a client that asks for `server_name`.
    pub(super) fn place_for(&self, server_name: Option<&str>) -> usize {
        self.hosts.place_for(server_name)
    }

    /// What is asked of a client that asks for `server_name`.
    pub(super) fn asked_of(&self, server_name: Option<&str>) -> Asked {
        self.hosts.asked_at(self.hosts.place_for(server_name))
    }

    /// Whether what a client `was_asked` is what would be asked of it for `host`. Not for what is too long to be looked for:
    /// whoever cuts it might find another host.
    pub(super) fn is_same_for(&self, was_asked: Asked, host: &str) -> bool {
        host.len() <= MAX_NAME_BYTES && self.asked_of(Some(host)) == was_asked
    }

    /// Whether clients of `host` have to show a certificate.
    pub(super) fn requires_certificate_for(&self, host: &str) -> bool {
        host.len() > MAX_NAME_BYTES || self.asked_of(Some(host)).mode == ClientAuthMode::Required
    }

    /// What is asked of clients under the policy at `place`.
    pub(super) fn demand(&self, place: usize) -> &Demand {
        self.demands.get(place).unwrap_or(&Demand::Nothing)
    }
}

impl Default for ClientAuth {
    /// Nothing is asked of anybody.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Demand {
    /// The word for it.
    pub fn mode(&self) -> ClientAuthMode {
        match self {
            Self::Nothing => ClientAuthMode::Off,
            Self::Optional(_) => ClientAuthMode::Optional,
            Self::Required(_) => ClientAuthMode::Required,
        }
    }
}

impl fmt::Display for ClientAuthMode {
    /// As it is configured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::rig::Pki;

    fn policy(hosts: &[&str], demand: Demand) -> ClientAuthPolicy {
        ClientAuthPolicy {
            hosts: hosts.iter().map(|host| Box::from(*host)).collect(),
            demand,
        }
    }

    fn required() -> Demand {
        Demand::Required(Arc::new(Pki::new().examiner()))
    }

    #[test]
    fn the_exact_name_goes_before_the_wildcard_and_that_before_all_others() {
        let auth = ClientAuth::new(vec![
            policy(&[], required()),
            policy(&["*.example.test"], required()),
            policy(&["a.example.test", "b.test"], Demand::Nothing),
            policy(&["*.deep.example.test"], Demand::Nothing),
        ]);
        for (name, place) in [
            (Some("A.Example.test"), 2),
            (Some("b.test."), 2),
            (Some("c.example.test"), 1),
            (Some("d.c.example.test"), 1),
            (Some("c.deep.example.test"), 3),
            (Some("example.test"), 0),
            (Some("192.0.2.1"), 0),
            (None, 0),
        ] {
            assert_eq!(auth.place_for(name), place, "{name:?}");
        }
    }

    #[test]
    fn nothing_is_asked_where_no_policy_says_so() {
        let auth = ClientAuth::new(vec![policy(&["a.test"], required())]);
        assert_eq!(
            auth.demand(auth.place_for(Some("a.test"))).mode(),
            ClientAuthMode::Required
        );
        assert_eq!(auth.demand(auth.place_for(Some("b.test"))).mode(), ClientAuthMode::Off);
        assert_eq!(auth.demand(auth.place_for(None)).mode(), ClientAuthMode::Off);
        assert_eq!(ClientAuth::default().demand(0).mode(), ClientAuthMode::Off);
    }

    #[test]
    fn authentication_for_one_host_is_good_for_another_of_the_same_policy_alone() {
        let auth = ClientAuth::new(vec![
            policy(&["a.test", "b.test"], required()),
            policy(&["c.test"], required()),
            policy(&["d.test"], Demand::Nothing),
        ]);
        let is_same = |one: Option<&str>, other: &str| auth.is_same_for(auth.asked_of(one), other);
        assert!(is_same(Some("a.test"), "B.test"));
        assert!(!is_same(Some("a.test"), "c.test"));
        assert!(!is_same(Some("a.test"), "e.test"));
        assert!(!is_same(Some("e.test"), "a.test"));
        assert!(!is_same(None, "a.test"));
        assert!(!is_same(Some("a.test"), &"a".repeat(256)));
        // The same by another name; what it asks has changed.
        let demand = || auth.demand(0).clone();
        let other = ClientAuth::new(vec![policy(&["x.test"], demand()), policy(&["a.test"], required())]);
        assert!(other.is_same_for(auth.asked_of(Some("a.test")), "x.test"));
        assert!(!other.is_same_for(auth.asked_of(Some("a.test")), "a.test"));
        // Nothing is asked of either.
        assert!(is_same(Some("d.test"), "e.test") && is_same(None, "d.test"));
    }
}
