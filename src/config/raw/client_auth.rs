//! `[[client_auth]]` as it is written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::setting::{List, Setting};
use crate::proxy::settings::HostPattern;
use crate::tls::{ClientAuthMode, RevocationDepth, RevocationPolicy};

/// How the clients of some hosts prove who they are: by certificates of these CAs.
///
/// A table without `host` is for all hosts that no other names; given as flags or variables, these keys describe that
/// one. The host is the one named in the TLS handshake: a request for a host with another policy is refused with 421.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct ClientAuth {
    /// Hosts whose clients are meant, such as "*.example.com"; without any, all others.
    ///
    /// The wildcard stands for any number of labels.
    pub(in crate::config) host: List<HostPattern>,

    /// Whether clients are asked for a certificate: "off", "optional" or "required".
    ///
    /// One that is shown is verified either way: a client whose certificate is no good gets no further.
    #[schemars(extend("default" = "required"))]
    pub(in crate::config) mode: Setting<ClientAuthMode>,

    /// Files and directories with the CAs that may have issued client certificates.
    ///
    /// PEM, DER and PKCS#7. Each is trusted by itself, an intermediate too. A change takes effect on the next handshake.
    pub(in crate::config) ca: List<PathBuf>,

    /// Files and directories with the CRLs of those CAs, PEM or DER.
    ///
    /// Without any, nothing is asked about revocation. Whoever fetches them renews the files: a change takes effect on
    /// the next handshake.
    #[schemars(extend("default" = []))]
    pub(in crate::config) crl: List<PathBuf>,

    /// What happens where a CRL is missing or out of date: "strict", "stale" or "lenient".
    ///
    /// "strict" refuses the certificate. With "stale" a CRL counts beyond its nextUpdate; with "lenient", besides, nothing
    /// is asked where an issuer has none. What a CRL revokes is refused in each case.
    #[schemars(extend("default" = "strict"))]
    pub(in crate::config) crl_policy: Setting<RevocationPolicy>,

    /// Which certificates CRLs are asked for: the whole "chain" below the CA, or the "leaf" alone.
    #[schemars(extend("default" = "chain"))]
    pub(in crate::config) crl_check: Setting<RevocationDepth>,
}
