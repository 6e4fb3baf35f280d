//! `[[route]]` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::setting::{List, Setting};
use crate::config::value::Name;
use crate::proxy::settings::{HostPattern, PathPrefix};

/// Which requests go to which backend, and what happens to them on the way.
///
/// The most specific host wins, then the longest path. A table without `host` and `path` is the default route, which
/// takes what no other does; given as flags or variables, these keys describe that one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// Hosts of its requests, such as "www.example.com" or "*.example.com"; without any, every host.
    ///
    /// The wildcard stands for any number of labels.
    pub(in crate::config) host: List<HostPattern>,

    /// What paths of its requests begin with, such as "/app"; without any, every path.
    ///
    /// In whole segments: "/app" takes /app and /app/x and not /apple. Upper and lower case differ.
    pub(in crate::config) path: List<PathPrefix>,

    /// Take the path that the route was found by off before the request is sent on.
    #[schemars(extend("default" = false))]
    pub(in crate::config) strip_prefix: Setting<bool>,

    /// Put this before the path, after `strip_prefix`.
    pub(in crate::config) add_prefix: Setting<PathPrefix>,

    /// The `name` of the backend; without it, the default backend.
    pub(in crate::config) backend: Setting<Name>,
}
