//! `[[listener]]` as it is written.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::choices::{RedirectStatus, ServiceKind};
use crate::config::setting::Setting;

/// An address that is accepted on, where it needs more said than `listen` and `redirect_from` can.
///
/// Given as flags or variables, these keys describe one more listener.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Listener {
    /// The address.
    pub(in crate::config) address: Setting<SocketAddr>,

    /// What is done there: "tls" serves HTTP over TLS, "redirect" answers plain HTTP with the way to https.
    #[schemars(extend("default" = "tls"))]
    pub(in crate::config) service: Setting<ServiceKind>,

    /// The https port that its redirects name, where it is not the `redirect_port` of all.
    pub(in crate::config) redirect_port: Setting<NonZeroU16>,

    /// The status of its redirects, where it is not the `redirect_status` of all.
    pub(in crate::config) redirect_status: Setting<RedirectStatus>,
}
