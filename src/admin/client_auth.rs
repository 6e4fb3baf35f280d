//! How clients are authenticated, as JSON: a part of `/certificates` and of what `check` prints.

use serde_json::{Value, json};

use super::certificates::certificate;
use crate::certs::{ClientTrust, RevocationList};
use crate::chain::rfc3339;
use crate::reload::{ClientAuthSettings, PolicyInForce};

/// A policy, with what its files hold if that is known.
pub fn client_auth(settings: &ClientAuthSettings, trust: Option<&ClientTrust>) -> Value {
    let authorities = trust.into_iter().flat_map(|trust| &trust.authorities);
    let lists = trust.into_iter().flat_map(|trust| &trust.revocation_lists);
    let counts = !settings.trust.revocation_lists.is_empty();
    json!({
        "hosts": settings.hosts,
        "mode": settings.mode.to_string(),
        "cas": authorities.map(|authority| certificate(authority)).collect::<Vec<_>>(),
        "crls": lists.map(|list| revocation_list(list)).collect::<Vec<_>>(),
        "crl_policy": counts.then(|| settings.revocation.policy.to_string()),
        "crl_check": counts.then(|| settings.revocation.depth.to_string()),
    })
}

/// A policy as it is in force.
pub(super) fn in_force(policy: &PolicyInForce) -> Value {
    let mut value = client_auth(&policy.settings, policy.trust.as_deref());
    value["since"] = json!(rfc3339(policy.since));
    value["kept_because"] = json!(policy.kept_because);
    value
}

fn revocation_list(list: &RevocationList) -> Value {
    json!({
        "issuer": list.issuer().to_string(),
        "sha256": list.digest().to_string(),
        "this_update": rfc3339(list.this_update()),
        "next_update": rfc3339(list.next_update()),
        "revoked": list.revoked(),
    })
}
