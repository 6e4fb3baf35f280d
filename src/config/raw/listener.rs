//! `[[listener]]` as it is written.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::choices::{RedirectStatus, ServiceKind};
use crate::config::listening::FileMode;
use crate::config::networks::PeerRange;
use crate::config::setting::{List, Setting};
use crate::proxy::settings::ListenAddress;

/// An address that is accepted on, where it needs more said than `listen` and `redirect_from` can.
///
/// Given as flags or variables, these keys describe one more listener.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Listener {
    /// The address: "0.0.0.0:8443", "unix:/path" or "systemd:name".
    ///
    /// What a process that has ended left at the path is replaced. systemd hands over sockets of that name
    /// (FileDescriptorName= of the .socket unit, without it the name of the unit).
    pub(in crate::config) address: Setting<ListenAddress>,

    /// What is done there: "tls" serves, "redirect" sends to https, "http" serves without TLS.
    ///
    /// "http" is for clients behind something that does TLS, or on the same machine: backends are told that they came
    /// over http.
    #[schemars(extend("default" = "tls"))]
    pub(in crate::config) service: Setting<ServiceKind>,

    /// The https port that its redirects name, where it is not the `redirect_port` of all.
    pub(in crate::config) redirect_port: Setting<NonZeroU16>,

    /// The status of its redirects, where it is not the `redirect_status` of all.
    pub(in crate::config) redirect_status: Setting<RedirectStatus>,

    /// Whose connections begin with a PROXY header, where it is not the `proxy_protocol_from` of all.
    pub(in crate::config) proxy_protocol_from: List<PeerRange>,

    /// Who may connect to a Unix socket.
    ///
    /// The mode of its file, as chmod takes it.
    #[schemars(extend("default" = "0660"))]
    pub(in crate::config) unix_mode: Setting<FileMode>,
}
