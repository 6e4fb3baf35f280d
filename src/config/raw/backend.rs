//! `[[backend]]` as it is written.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::setting::{List, Setting};
use crate::config::value::Name;
use crate::proxy::settings::ServerAddress;

/// Servers that requests go to, and how they are spoken to.
///
/// A table without `name` is the default backend, whose servers are those of `upstream` unless it has a `url` itself;
/// given as flags or variables, these keys describe that one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Backend {
    /// What routes and logs call it.
    pub(in crate::config) name: Setting<Name>,

    /// Its servers, such as http://127.0.0.1:8080; several are taken in turn.
    ///
    /// The next server is tried where one does not accept a connection.
    pub(in crate::config) url: List<ServerAddress>,

    /// Connecting to a server, where it is not the `connect` of all in `timeouts`.
    pub(in crate::config) connect_timeout: Setting<Duration>,

    /// Waiting for a response, where it is not the `first_byte` of all in `timeouts`.
    pub(in crate::config) first_byte_timeout: Setting<Duration>,

    /// How long an unused connection is kept, where it is not the `upstream_idle` of all in `timeouts`.
    pub(in crate::config) idle_timeout: Setting<Duration>,

    /// How long bodies may stand still, where it is not the `idle` of all in `timeouts`.
    pub(in crate::config) progress_timeout: Setting<Duration>,
}
