//! Open files: every connection needs two.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one, as nginx and HAProxy do: the soft one is kept low for
/// programs that use `select`. Where that is refused, the limit stays and connections are limited accordingly.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
