//! How clients are authenticated: from files to the policies in force.
//!
//! A policy whose CAs or CRLs cannot be read keeps the last good ones. One that never had any, or is to be another, cannot be put in force,
//! and then none of the configured changes is: half of them could open what the other half was to close.

use std::sync::Arc;

use rustls::pki_types::UnixTime;

use crate::certs::{self, ClientTrust, ClientTrustSettings, LoadedClientTrust};
use crate::chain::Certificate;
use crate::tls::{self, ClientAuthMode, Demand, Examiner, Revocation, RevocationDepth, RevocationPolicy};

/// What the operator says about the clients of some hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthSettings {
    /// The hosts, in lower case, exact or `*.` and the rest; none stands for all that no other policy names.
    pub hosts: Vec<Box<str>>,
    /// What is asked of their clients.
    pub mode: ClientAuthMode,
    /// The files with CAs and CRLs.
    pub trust: ClientTrustSettings,
    /// How much the CRLs count.
    pub revocation: Revocation,
}

/// How clients are authenticated, as it is in force.
#[derive(Clone, Debug, Default)]
pub struct ClientAuth {
    /// In the order of configuration.
    pub policies: Vec<PolicyInForce>,
    tls: Arc<tls::ClientAuth>,
}

/// How the clients of some hosts are authenticated.
#[derive(Clone, Debug)]
pub struct PolicyInForce {
    /// As it is configured.
    pub settings: Arc<ClientAuthSettings>,
    /// What certificates are checked against, where they are asked for.
    pub trust: Option<Arc<ClientTrust>>,
    /// Since when.
    pub since: UnixTime,
    /// Why what lies on disk by now does not count instead.
    pub kept_because: Option<String>,
    demand: Demand,
}

/// What a reload makes of it.
#[derive(Debug, Default)]
pub(super) struct PreparedClientAuth {
    pub(super) in_force: Arc<ClientAuth>,
    /// What there is to say, each in a sentence; it has been logged.
    pub(super) news: Vec<String>,
    /// Policies that are configured and cannot be put in force.
    pub(super) refused: Vec<String>,
}

/// The trusts that were read, each with the settings it was read for.
type Loaded = [(ClientTrustSettings, LoadedClientTrust)];

/// The first load: there is nothing to fall back to.
///
/// # Errors
///
/// What is wrong, in sentences.
pub(super) fn first(
    settings: &[ClientAuthSettings],
    loaded: &Loaded,
    at: UnixTime,
) -> Result<Arc<ClientAuth>, Vec<String>> {
    let (mut policies, mut faults) = (Vec::new(), Vec::new());
    for settings in settings {
        match trust_of(settings, loaded).and_then(|trust| PolicyInForce::new(settings, trust, at)) {
            Ok(policy) => policies.push(policy),
            Err(reason) => faults.push(reason),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    for policy in &policies {
        policy.log("client authentication");
    }
    Ok(ClientAuth::of(policies))
}

/// A later load: for each policy what the files say, or its last good CAs and CRLs with the reason.
pub(super) fn again(
    settings: &[ClientAuthSettings],
    loaded: &Loaded,
    previous: &Arc<ClientAuth>,
    at: UnixTime,
) -> PreparedClientAuth {
    let decided = settings.iter().map(|settings| decide(settings, loaded, previous, at));
    let (policies, refused): (Vec<_>, Vec<_>) = decided.partition(Result::is_ok);
    let refused: Vec<String> = refused.into_iter().filter_map(Result::err).collect();
    if !refused.is_empty() {
        return PreparedClientAuth {
            in_force: Arc::clone(previous),
            news: Vec::new(),
            refused,
        };
    }
    let policies: Vec<PolicyInForce> = policies.into_iter().filter_map(Result::ok).collect();
    let mut news: Vec<String> = policies.iter().filter_map(|policy| policy.report(previous)).collect();
    for gone in previous.policies.iter().filter(|gone| !gone.is_among(&policies)) {
        tracing::warn!(
            hosts = gone.settings.hosts_text(),
            "client authentication no longer configured"
        );
        news.push(format!(
            "client authentication no longer configured: {}",
            gone.settings.hosts_text()
        ));
    }
    let is_same = news.is_empty() && policies.len() == previous.policies.len();
    PreparedClientAuth {
        in_force: if is_same {
            Arc::clone(previous)
        } else {
            ClientAuth::of(policies)
        },
        news,
        refused,
    }
}

fn decide(
    settings: &ClientAuthSettings,
    loaded: &Loaded,
    previous: &ClientAuth,
    at: UnixTime,
) -> Result<PolicyInForce, String> {
    let before = previous
        .policies
        .iter()
        .find(|before| before.settings.hosts == settings.hosts);
    let fresh = trust_of(settings, loaded).and_then(|trust| match before {
        Some(before) if *before.settings == *settings && before.trust == trust => Ok(PolicyInForce {
            kept_because: None,
            ..before.clone()
        }),
        _ => PolicyInForce::new(settings, trust, at),
    });
    // Under other settings the old files would count for something that nobody has asked for.
    fresh.or_else(|reason| match before {
        Some(before) if *before.settings == *settings => Ok(PolicyInForce {
            kept_because: Some(reason),
            ..before.clone()
        }),
        _ => Err(reason),
    })
}

/// What the files hold that `settings` name; `None` where nothing is asked of clients.
fn trust_of(settings: &ClientAuthSettings, loaded: &Loaded) -> Result<Option<Arc<ClientTrust>>, String> {
    if settings.mode == ClientAuthMode::Off {
        return Ok(None);
    }
    let found = loaded.iter().find(|(trust, _)| *trust == settings.trust);
    let sentences = |faults: &Vec<certs::Error>| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        faults.join("; ")
    };
    match found {
        Some((_, Ok(trust))) => Ok(Some(Arc::clone(trust))),
        Some((_, Err(faults))) => Err(sentences(faults)),
        None => Err("its files have not been read".to_owned()),
    }
}

/// How much the CRLs that `settings` name count; `None` where they name none.
fn revocation(settings: &ClientAuthSettings) -> Option<Revocation> {
    let is_asked = !settings.trust.revocation_lists.is_empty();
    is_asked.then_some(settings.revocation)
}

impl ClientAuth {
    fn of(policies: Vec<PolicyInForce>) -> Arc<Self> {
        let told = policies.iter().map(|policy| tls::ClientAuthPolicy {
            hosts: policy.settings.hosts.clone(),
            demand: policy.demand.clone(),
        });
        let tls = Arc::new(tls::ClientAuth::new(told.collect()));
        Arc::new(Self { policies, tls })
    }

    /// What handshakes use.
    pub(super) fn tls(&self) -> &Arc<tls::ClientAuth> {
        &self.tls
    }

    /// Why what lies on disk does not count.
    pub(super) fn kept(&self) -> impl Iterator<Item = String> {
        self.policies.iter().filter_map(PolicyInForce::kept_sentence)
    }
}

impl ClientAuthSettings {
    /// The hosts, for people.
    pub fn hosts_text(&self) -> String {
        match self.hosts.is_empty() {
            true => "all other hosts".to_owned(),
            false => self.hosts.join(","),
        }
    }

    /// A sentence for each CA of `trust` whose clients are refused for want of a CRL.
    pub fn unlisted(&self, trust: Option<&ClientTrust>) -> Vec<String> {
        let asks = revocation(self).is_some_and(|revocation| revocation.policy != RevocationPolicy::Lenient);
        let trust = trust.filter(|_| asks);
        let unlisted = trust.into_iter().flat_map(ClientTrust::authorities_without_list);
        let issued = match self.revocation.depth {
            RevocationDepth::Chain => "whatever it has issued is refused",
            RevocationDepth::Leaf => "clients that it has issued certificates to itself are refused",
        };
        let sentence = |authority: &Arc<Certificate>| {
            format!("no CRL of {authority}, by its name and its key: {issued} (crl_policy, crl_check)")
        };
        unlisted.map(sentence).collect()
    }
}

impl PolicyInForce {
    /// The policy of `settings`, with what was read for them.
    fn new(settings: &ClientAuthSettings, trust: Option<Arc<ClientTrust>>, at: UnixTime) -> Result<Self, String> {
        let revocation = revocation(settings);
        let examiner = |trust: &Arc<ClientTrust>| {
            let examiner = Examiner::new(trust, revocation).map_err(|error| error.to_string())?;
            if !examiner.names_authorities() {
                let hosts = settings.hosts_text();
                tracing::warn!(
                    hosts,
                    "the CAs are too many to be named to clients: they choose a certificate without"
                );
            }
            Ok::<_, String>(Arc::new(examiner))
        };
        let demand = match (&trust, settings.mode) {
            (None, _) | (_, ClientAuthMode::Off) => Demand::Nothing,
            (Some(trust), ClientAuthMode::Optional) => Demand::Optional(examiner(trust)?),
            (Some(trust), ClientAuthMode::Required) => Demand::Required(examiner(trust)?),
        };
        Ok(Self {
            settings: Arc::new(settings.clone()),
            trust,
            since: at,
            kept_because: None,
            demand,
        })
    }

    fn is_among(&self, policies: &[Self]) -> bool {
        policies
            .iter()
            .any(|policy| policy.settings.hosts == self.settings.hosts)
    }

    /// Logs what is new in comparison with `previous`, and returns it as a sentence.
    fn report(&self, previous: &ClientAuth) -> Option<String> {
        let hosts = self.settings.hosts_text();
        let before = previous
            .policies
            .iter()
            .find(|before| before.settings.hosts == self.settings.hosts);
        let kept_before = before.and_then(|before| before.kept_because.as_ref());
        if let Some(reason) = &self.kept_because {
            let is_news = kept_before != Some(reason);
            if is_news {
                tracing::warn!(
                    hosts,
                    reason,
                    "CAs and CRLs of clients not replaced: the last good ones stay"
                );
            }
            return is_news.then(|| self.kept_sentence()).flatten();
        }
        let what = match before {
            None => "client authentication",
            Some(before) if *before.settings != *self.settings => "client authentication changed",
            Some(before) if before.trust != self.trust => "CAs and CRLs of clients replaced",
            Some(_) if kept_before.is_some() => "the CAs and CRLs of clients on disk are those that count again",
            Some(_) => return None,
        };
        self.log(what);
        Some(format!("{what}: {hosts}"))
    }

    fn log(&self, what: &str) {
        let trust = self.trust.as_ref();
        tracing::info!(
            hosts = self.settings.hosts_text(),
            mode = %self.settings.mode,
            cas = trust.map(|trust| trust.authorities.len()),
            crls = trust.map(|trust| trust.revocation_lists.len()),
            "{what}"
        );
        for sentence in self.settings.unlisted(trust.map(Arc::as_ref)) {
            tracing::warn!(hosts = self.settings.hosts_text(), "{sentence}");
        }
    }

    fn kept_sentence(&self) -> Option<String> {
        let reason = self.kept_because.as_ref()?;
        let hosts = self.settings.hosts_text();
        Some(format!(
            "the last good CAs and CRLs of the clients of {hosts} stay: {reason}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

    use super::*;

    const AT: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_780_272_000));

    fn trust(name: &str) -> Arc<ClientTrust> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Arc::new(ClientTrust {
            authorities: vec![Arc::new(Certificate::from_der(ca.der().clone()).unwrap())],
            revocation_lists: Vec::new(),
        })
    }

    fn settings(host: &str, mode: ClientAuthMode, file: &str) -> ClientAuthSettings {
        ClientAuthSettings {
            hosts: vec![host.into()],
            mode,
            trust: ClientTrustSettings {
                authorities: vec![file.into()],
                revocation_lists: Vec::new(),
            },
            revocation: Revocation::default(),
        }
    }

    fn loaded(file: &str, trust: LoadedClientTrust) -> (ClientTrustSettings, LoadedClientTrust) {
        (settings("", ClientAuthMode::Off, file).trust, trust)
    }

    fn broken() -> LoadedClientTrust {
        let path = "ca.pem".into();
        Err(vec![certs::Error::NoRevocationList { path }])
    }

    #[test]
    fn the_first_load_takes_what_is_whole_and_nothing_else() {
        let required = settings("a.test", ClientAuthMode::Required, "ca.pem");
        let whole = first(std::slice::from_ref(&required), &[loaded("ca.pem", Ok(trust("R")))], AT).unwrap();
        assert_eq!(whole.policies[0].demand.mode(), ClientAuthMode::Required);
        let faults = first(&[required], &[loaded("ca.pem", broken())], AT).unwrap_err();
        assert_eq!(faults, ["ca.pem: expected a CRL, found none"]);
        // Where nothing is asked, no file matters.
        assert!(first(&[settings("a.test", ClientAuthMode::Off, "ca.pem")], &[], AT).is_ok());
    }

    #[test]
    fn what_breaks_keeps_the_last_good_and_says_so_once() {
        let required = [settings("a.test", ClientAuthMode::Required, "ca.pem")];
        let good = trust("R");
        let before = first(&required, &[loaded("ca.pem", Ok(Arc::clone(&good)))], AT).unwrap();
        let kept = again(&required, &[loaded("ca.pem", broken())], &before, AT);
        assert_eq!(kept.in_force.policies[0].trust.as_ref(), Some(&good));
        assert_eq!(
            kept.news,
            ["the last good CAs and CRLs of the clients of a.test stay: ca.pem: expected a CRL, found none"]
        );
        let still = again(&required, &[loaded("ca.pem", broken())], &kept.in_force, AT);
        assert!(Arc::ptr_eq(&still.in_force, &kept.in_force) && still.news.is_empty());
        assert_eq!(still.in_force.kept().count(), 1);
        let restored = again(&required, &[loaded("ca.pem", Ok(good))], &still.in_force, AT);
        assert_eq!((restored.in_force.kept().count(), restored.news.len()), (0, 1));
        let replaced = again(&required, &[loaded("ca.pem", Ok(trust("S")))], &restored.in_force, AT);
        assert_eq!(replaced.news, ["CAs and CRLs of clients replaced: a.test"]);
    }

    /// The old CAs and CRLs once counted under the new settings: without CRLs that were asked for every client was refused.
    #[test]
    fn other_settings_whose_files_are_broken_are_not_put_in_force() {
        let optional = [settings("a.test", ClientAuthMode::Optional, "ca.pem")];
        let before = first(&optional, &[loaded("ca.pem", Ok(trust("R")))], AT).unwrap();
        let mut revoking = optional.clone();
        revoking[0].trust.revocation_lists = vec!["torn.crl".into()];
        for other in [[settings("a.test", ClientAuthMode::Required, "other.pem")], revoking] {
            let broken = (other[0].trust.clone(), broken());
            let after = again(&other, &[broken], &before, AT);
            assert!(Arc::ptr_eq(&after.in_force, &before));
            assert_eq!(after.refused.len(), 1);
        }
    }

    #[test]
    fn where_one_policy_cannot_be_put_in_force_none_of_the_changes_is() {
        let required = settings("a.test", ClientAuthMode::Required, "ca.pem");
        let good = || loaded("ca.pem", Ok(trust("R")));
        let before = first(std::slice::from_ref(&required), &[good()], AT).unwrap();
        let next = [
            settings("a.test", ClientAuthMode::Off, "ca.pem"),
            settings("b.test", ClientAuthMode::Required, "other.pem"),
        ];
        let after = again(&next, &[good(), loaded("other.pem", broken())], &before, AT);
        assert!(Arc::ptr_eq(&after.in_force, &before));
        assert_eq!(after.refused.len(), 1);
    }

    #[test]
    fn a_policy_that_is_configured_no_more_goes() {
        let required = [settings("a.test", ClientAuthMode::Required, "ca.pem")];
        let before = first(&required, &[loaded("ca.pem", Ok(trust("R")))], AT).unwrap();
        let after = again(&[], &[], &before, AT);
        assert!(after.in_force.policies.is_empty());
        assert_eq!(after.news, ["client authentication no longer configured: a.test"]);
        assert!(again(&[], &[], &after.in_force, AT).news.is_empty());
    }
}
