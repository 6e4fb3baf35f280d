//! What `check` says of client authentication: who is asked, which CAs count, and which CRLs.

use std::fmt::{self, Write};
use std::sync::Arc;

use rustls_pki_types::UnixTime;
use serde_json::{Value, json};

use super::with_causes;
use crate::admin;
use crate::certs::{self, ClientTrust, ClientTrustSettings, LoadedClientTrust};
use crate::chain::rfc3339;
use crate::reload::ClientAuthSettings;
use crate::tls::{ClientAuthMode, Examiner};

/// Each configured policy, with what its files hold.
pub(super) struct ClientAuthReport(Vec<(ClientAuthSettings, Checked)>);

/// `None` where nothing is asked of clients.
type Checked = Result<Option<Arc<ClientTrust>>, Vec<String>>;

impl ClientAuthReport {
    /// The policies `configured`, with what was read for them.
    pub(super) fn of(configured: Vec<ClientAuthSettings>, loaded: &[(ClientTrustSettings, LoadedClientTrust)]) -> Self {
        let checked = |settings: ClientAuthSettings| {
            let checked = check(&settings, loaded);
            (settings, checked)
        };
        Self(configured.into_iter().map(checked).collect())
    }

    /// Whether every policy can be put in force.
    pub(super) fn is_well(&self) -> bool {
        self.0.iter().all(|(_, checked)| checked.is_ok())
    }

    /// Says on standard error what is broken, which CRLs are missing, and which are out of date at the instant `at`.
    pub(super) fn complain(&self, at: UnixTime) {
        for (settings, checked) in &self.0 {
            match checked {
                Ok(trust) => {
                    for sentence in settings.unlisted(trust.as_deref()) {
                        eprintln!("warning: {}: {sentence}", settings.hosts_text());
                    }
                    let lists = trust.iter().flat_map(|trust| &trust.revocation_lists);
                    for list in lists.filter(|list| list.has_expired(at)) {
                        let end = rfc3339(list.next_update());
                        eprintln!(
                            "warning: {}: the CRL of {} is out of date since {end}",
                            settings.hosts_text(),
                            list.issuer()
                        );
                    }
                }
                Err(faults) => faults.iter().for_each(|fault| eprintln!("{fault}")),
            }
        }
    }

    pub(super) fn write(&self, text: &mut String) -> fmt::Result {
        for (settings, checked) in &self.0 {
            writeln!(
                text,
                "clients of {}: certificate {}",
                settings.hosts_text(),
                settings.mode
            )?;
            match checked {
                Ok(trust) => write_trust(text, settings, trust.as_deref())?,
                // Standard error says why.
                Err(_) => writeln!(text, "  unusable")?,
            }
            text.push('\n');
        }
        Ok(())
    }

    pub(super) fn json(&self) -> Vec<Value> {
        let policies = self.0.iter().map(|(settings, checked)| {
            let trust = checked.as_ref().ok().and_then(Option::as_deref);
            let mut value = admin::client_auth(settings, trust);
            value["faults"] = json!(checked.as_ref().err().cloned().unwrap_or_default());
            value
        });
        policies.collect()
    }
}

fn check(settings: &ClientAuthSettings, loaded: &[(ClientTrustSettings, LoadedClientTrust)]) -> Checked {
    let found = loaded.iter().find(|(trust, _)| *trust == settings.trust);
    match found {
        Some((_, Ok(trust))) if settings.mode != ClientAuthMode::Off => {
            Examiner::new(trust, None).map_err(|error| vec![error.to_string()])?;
            Ok(Some(Arc::clone(trust)))
        }
        Some((_, Err(faults))) if settings.mode != ClientAuthMode::Off => {
            Err(faults.iter().map(|fault: &certs::Error| with_causes(fault)).collect())
        }
        _ => Ok(None),
    }
}

fn write_trust(text: &mut String, settings: &ClientAuthSettings, trust: Option<&ClientTrust>) -> fmt::Result {
    for authority in trust.into_iter().flat_map(|trust| &trust.authorities) {
        writeln!(text, "  CA: {authority}, until {}", rfc3339(authority.not_after()))?;
    }
    for list in trust.into_iter().flat_map(|trust| &trust.revocation_lists) {
        let (revoked, next) = (list.revoked(), rfc3339(list.next_update()));
        writeln!(text, "  CRL: {}, {revoked} revoked, the next by {next}", list.issuer())?;
    }
    if trust.is_some() && !settings.trust.revocation_lists.is_empty() {
        let revocation = settings.revocation;
        writeln!(text, "  CRLs count for: {}, {}", revocation.depth, revocation.policy)?;
    }
    Ok(())
}
