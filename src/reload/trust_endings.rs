//! Which CRLs are out of date, and which CAs of clients end soon or have ended.
//!
//! Verification goes on with an anchor that has ended (RFC 5280 section 6.1.1 (d)); clients do not send certificates of
//! one. A CRL turns every client of its CA away when it ends, unless the policy says otherwise.

use std::collections::HashMap;
use std::time::Duration;

use rustls::pki_types::UnixTime;

use super::client_auth::ClientAuth;
use super::endings::{DAY, notice_from};
use crate::certs::RevocationList;
use crate::chain::{Certificate, Sha256, in_words, rfc3339};

/// When each ending was last spoken of.
#[derive(Debug, Default)]
pub(super) struct TrustEndings {
    told: HashMap<Sha256, u64>,
}

enum Ending<'a> {
    Authority(&'a Certificate),
    List(&'a RevocationList),
}

impl TrustEndings {
    /// Logs what has ended or ends soon at the instant `at`, each once a day, and tells when there will be something to say
    /// next.
    pub(super) fn tell(&mut self, client_auth: &ClientAuth, at: UnixTime) -> Option<UnixTime> {
        let now = at.as_secs();
        let (mut told, mut next) = (HashMap::new(), Vec::new());
        for (hosts, ending) in endings(client_auth) {
            let digest = ending.digest();
            if ending.notice_from() > now {
                next.push(ending.notice_from());
                continue;
            }
            let last = self.told.get(&digest).or_else(|| told.get(&digest)).copied();
            let is_due = last.is_none_or(|last| last.saturating_add(DAY) <= now);
            if is_due {
                ending.log(&hosts, now);
            }
            let last = if is_due { now } else { last.unwrap_or(now) };
            told.insert(digest, last);
            next.push(last.saturating_add(DAY));
        }
        self.told = told;
        let next = next.into_iter().min()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(next)))
    }
}

fn endings(client_auth: &ClientAuth) -> impl Iterator<Item = (String, Ending<'_>)> {
    client_auth.policies.iter().flat_map(|policy| {
        let trust = policy.trust.as_ref();
        let authorities = trust.into_iter().flat_map(|trust| &trust.authorities);
        let lists = trust.into_iter().flat_map(|trust| &trust.revocation_lists);
        let authorities = authorities.map(|authority| Ending::Authority(authority));
        let all = authorities.chain(lists.map(|list| Ending::List(list)));
        all.map(|ending| (policy.settings.hosts_text(), ending))
    })
}

impl Ending<'_> {
    fn digest(&self) -> Sha256 {
        match self {
            Self::Authority(authority) => authority.fingerprint(),
            Self::List(list) => list.digest(),
        }
    }

    /// The second from which there is something to say. CAs renew their CRLs at the last moment, so nothing is said before.
    fn notice_from(&self) -> u64 {
        match self {
            Self::Authority(authority) => notice_from(authority),
            Self::List(list) => list.next_update().as_secs(),
        }
    }

    fn log(&self, hosts: &str, now: u64) {
        match self {
            Self::Authority(authority) => {
                let not_after = rfc3339(authority.not_after());
                match authority.not_after().as_secs().checked_sub(now) {
                    Some(left) => tracing::warn!(
                        hosts, certificate = %authority, not_after,
                        "a CA of clients expires in {}", in_words(Duration::from_secs(left))
                    ),
                    None => tracing::warn!(hosts, certificate = %authority, not_after, "a CA of clients has expired"),
                }
            }
            Self::List(list) => tracing::warn!(
                hosts, issuer = %list.issuer(), next_update = rfc3339(list.next_update()),
                "a CRL is out of date: have its CA write a new one"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa, KeyIdMethod,
        KeyPair,
    };

    use super::*;
    use crate::certs::{ClientTrust, ClientTrustSettings};
    use crate::reload::client_auth::{ClientAuthSettings, first};
    use crate::tls::{ClientAuthMode, Revocation};

    /// A CA that ends with the year 2099, and its CRL of January 2026.
    fn client_auth() -> Arc<ClientAuth> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 1, 1),
            next_update: rcgen::date_time_ymd(2026, 2, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&ca).unwrap();
        let settings = ClientAuthSettings {
            hosts: Vec::new(),
            mode: ClientAuthMode::Required,
            trust: ClientTrustSettings::default(),
            revocation: Revocation::default(),
        };
        let trust = ClientTrust {
            authorities: vec![Arc::new(Certificate::from_der(ca.der().clone()).unwrap())],
            revocation_lists: vec![Arc::new(RevocationList::from_der(list.der()).unwrap())],
        };
        let loaded = (settings.trust.clone(), Ok(Arc::new(trust)));
        first(&[settings], &[loaded], at(2026, 1)).unwrap()
    }

    /// The first of a month.
    fn at(year: i32, month: u8) -> UnixTime {
        let seconds = rcgen::date_time_ymd(year, month, 1).unix_timestamp();
        UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().unwrap()))
    }

    #[test]
    fn a_crl_is_spoken_of_when_it_is_out_of_date_and_then_once_a_day() {
        let client_auth = client_auth();
        let mut endings = TrustEndings::default();
        let end = at(2026, 2);
        assert_eq!(endings.tell(&client_auth, at(2026, 1)), Some(end));
        assert!(endings.told.is_empty());
        let later = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(end.as_secs() + seconds));
        assert_eq!(endings.tell(&client_auth, end), Some(later(DAY)));
        assert_eq!(endings.told.len(), 1);
        // Somebody asks in between.
        assert_eq!(endings.tell(&client_auth, later(60)), Some(later(DAY)));
        assert_eq!(endings.tell(&client_auth, later(DAY)), Some(later(2 * DAY)));
        assert_eq!(endings.tell(&ClientAuth::default(), later(DAY)), None);
        assert!(endings.told.is_empty());
    }

    #[test]
    fn so_is_a_ca_that_ends_soon() {
        let client_auth = client_auth();
        let mut endings = TrustEndings::default();
        endings.tell(&client_auth, at(2099, 6));
        assert_eq!(endings.told.len(), 1, "the CRL alone");
        // Its last 30 days begin on the second of December.
        endings.tell(&client_auth, at(2099, 12));
        assert_eq!(endings.told.len(), 1);
        let late = UnixTime::since_unix_epoch(Duration::from_secs(at(2099, 12).as_secs() + 2 * DAY));
        endings.tell(&client_auth, late);
        assert_eq!(endings.told.len(), 2);
    }
}
