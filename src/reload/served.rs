//! What is served for each configured certificate, and since when.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::guard::is_valid;
use super::{ClientAuth, Stapled, TicketsInForce};
use crate::certs::{Bundle, BundleSettings};
use crate::chain::{Assembly, Certificate, Chain, Disallowed, End};
use crate::tls;

/// One certificate as it is served.
#[derive(Clone, Debug)]
pub struct Served {
    /// Where it is configured.
    pub source: Arc<BundleSettings>,
    /// Leaf, key, and what lay beside them.
    pub bundle: Arc<Bundle>,
    /// Its chain, what the chain is worth, and why it is this one.
    pub assembly: Arc<Assembly>,
    /// What handshakes use.
    pub identity: tls::Identity,
    /// The OCSP response that goes with it.
    pub stapled: Stapled,
    /// When it was first served.
    pub since: UnixTime,
    /// Why what lies on disk by now is not served instead.
    pub kept_because: Option<String>,
}

impl Served {
    /// The instants at which its chain or its staple may be another, or none.
    pub(super) fn boundaries(&self) -> impl Iterator<Item = UnixTime> {
        let staple = self.stapled.staple.as_ref().map(|staple| staple.good_until());
        self.assembly.until.into_iter().chain(staple)
    }

    /// Why the last good staple goes with it and not what its file holds, if that is so.
    pub(super) fn staple_kept_because(&self) -> Option<String> {
        let problem = self.stapled.problem.as_ref().filter(|_| self.stapled.is_kept())?;
        Some(format!(
            "the last good OCSP staple of {} stays: {problem}",
            LogName(self.assembly.chain.leaf())
        ))
    }

    /// The same with what is known of its staple by now, if that is anything else.
    pub(super) fn with_stapled(&self, stapled: Stapled) -> Option<Self> {
        (stapled != self.stapled).then(|| Self {
            identity: self.identity.with_staple(stapled.der()),
            stapled,
            ..self.clone()
        })
    }

    /// Takes the staple off if it is no longer good at the instant `at`.
    pub(super) fn take_off_what_has_ended(&mut self, at: UnixTime) {
        if let Some(without) = self.with_stapled(self.stapled.at(at, &self.assembly.chain)) {
            *self = without;
        }
    }

    /// Drops the chains to other anchors in which a certificate is not valid at the instant `at`, or disallowed. Of the
    /// chain that most clients get the last good one stays, whatever has become of it; these are extras.
    pub(super) fn forget_unsound_chains(&mut self, disallowed: &Disallowed, at: UnixTime) {
        let is_sound = |chain: &Chain| {
            let anchor = match &chain.end {
                End::Anchor(anchor) => Some(anchor),
                End::Cycle | End::Leaf | End::Open | End::SelfSigned(_) => None,
            };
            let mut all = chain.certificates.iter().chain(anchor);
            let sent = &chain.certificates;
            sent.iter().all(|certificate| is_valid(certificate, at))
                && !all.any(|certificate| disallowed.contains(certificate))
        };
        if self.assembly.to_other_anchors.iter().all(is_sound) {
            return;
        }
        let others = &mut Arc::make_mut(&mut self.assembly).to_other_anchors;
        others.retain(is_sound);
        let sound = others.iter().map(Chain::to_der).collect();
        // They are chains of the same leaf, as before.
        if let Ok(identity) = self.identity.clone().with_other_chains(sound) {
            self.identity = identity;
        }
    }
}

/// Everything that is served, and what is wrong around it.
#[derive(Clone, Debug)]
pub struct Generation {
    /// One entry for each configured certificate, in their order.
    pub served: Vec<Arc<Served>>,
    /// How clients are authenticated.
    pub client_auth: Arc<ClientAuth>,
    /// The keys of session tickets.
    pub tickets: Arc<TicketsInForce>,
    /// What is broken in the store or the roots and was skipped.
    pub problems: Vec<String>,
    /// When the files were last read.
    pub read_at: UnixTime,
}

impl Generation {
    /// Nothing at all, as of the instant `at`.
    #[cfg(test)]
    pub(crate) fn empty(at: UnixTime) -> Self {
        let own = tls::Tickets::new().unwrap();
        Self {
            served: Vec::new(),
            client_auth: Arc::default(),
            tickets: super::tickets::first(None, &own, &super::Clock::of_machine(), at).unwrap(),
            problems: Vec::new(),
            read_at: at,
        }
    }

    /// When the first of the staples ends that are good after the instant `now`.
    pub(super) fn next_staple_end(&self, now: UnixTime) -> Option<UnixTime> {
        let staples = self.served.iter().filter_map(|served| served.stapled.staple.as_ref());
        staples.map(|staple| staple.good_until()).filter(|end| *end > now).min()
    }
}

/// A certificate as every log line names it.
pub(super) struct LogName<'a>(pub(super) &'a Certificate);

impl fmt::Display for LogName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = super::guard::names(self.0).into_iter().collect();
        if names.is_empty() {
            write!(f, "{}", self.0.subject())
        } else {
            f.write_str(&names.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::PrivateKeyDer;

    use super::*;
    use crate::certs::{self, Files, Inventory, Roots};
    use crate::chain::{Policy, Sha256, Sought, Status, Trail};

    const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_780_272_000));

    /// A certificate that is valid for `days` from [`NOW`].
    fn certificate(key: &KeyPair, days: u32) -> Arc<Certificate> {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        let now = time::OffsetDateTime::from_unix_timestamp(NOW.as_secs().try_into().unwrap()).unwrap();
        params.not_before = now - Duration::from_secs(86_400);
        params.not_after = now + days * Duration::from_secs(86_400);
        let der = params.self_signed(key).unwrap().der().clone();
        Arc::new(Certificate::from_der(der).unwrap())
    }

    fn bundle(leaf: &Certificate, key: &KeyPair) -> Arc<Bundle> {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let settings = certs::Settings {
            bundles: vec![BundleSettings {
                origin: certs::Origin::Configuration,
                certificate: write("tls.crt", leaf.der()),
                key: Some(write("tls.key", &key.serialize_der())),
                password_file: None,
                staple: None,
                allow_ca_leaf: false,
                policy: None,
            }],
            roots: Roots::None,
            ..certs::Settings::default()
        };
        let inventory = Inventory::read(&settings, &Files::read(&settings), &|key| tls::public_key(key).ok());
        inventory.bundles[0].1.clone().unwrap()
    }

    #[test]
    fn what_is_kept_loses_the_further_chains_that_are_no_good_any_more() {
        let keys = [(); 4].map(|()| KeyPair::generate().unwrap());
        let [leaf, long, short, anchor] =
            [(0, 90), (1, 90), (2, 5), (3, 90)].map(|(key, days)| certificate(&keys[key], days));
        let chain = |certificates: &[&Arc<Certificate>]| Chain {
            certificates: certificates.iter().copied().cloned().collect(),
            end: End::Anchor(anchor.clone()),
        };
        let others = [chain(&[&leaf, &long]), chain(&[&leaf, &short])];
        let key = PrivateKeyDer::Pkcs8(keys[0].serialize_der().into());
        let identity = tls::Identity::new(vec![leaf.der().clone()], &key, Vec::new()).unwrap();
        let identity = identity
            .with_other_chains(others.iter().map(Chain::to_der).collect())
            .unwrap();
        let bundle = bundle(&leaf, &keys[0]);
        let served = Served {
            source: Arc::new(BundleSettings {
                origin: certs::Origin::Configuration,
                certificate: "tls.crt".into(),
                key: None,
                password_file: None,
                staple: None,
                allow_ca_leaf: false,
                policy: None,
            }),
            bundle,
            assembly: Arc::new(Assembly {
                chain: chain(&[&leaf]),
                status: Status::Complete,
                wanted: None,
                flaws: Vec::new(),
                warnings: Vec::new(),
                alternatives: Vec::new(),
                to_other_anchors: others.to_vec(),
                policy: Policy::Short,
                trail: Trail::default(),
                until: None,
                sought: Sought::default(),
            }),
            identity,
            stapled: Stapled::default(),
            since: NOW,
            kept_because: Some("worse".to_owned()),
        };
        let left = |disallowed: &[Sha256], days: u64| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(NOW.as_secs() + days * 86_400));
            let mut served = served.clone();
            served.forget_unsound_chains(&disallowed.iter().copied().collect(), at);
            assert_eq!(
                served.identity.other_chains().count(),
                served.assembly.to_other_anchors.len()
            );
            served.assembly.to_other_anchors.clone()
        };
        assert_eq!(left(&[], 0), others);
        assert_eq!(left(&[], 10), others[..1]);
        assert_eq!(left(&[long.fingerprint()], 0), others[1..]);
        assert_eq!(left(&[anchor.key_fingerprint()], 0), []);
    }
}
