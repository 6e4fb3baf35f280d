//! What defaults are drawn from: the size of the machine.

use std::num::NonZeroUsize;
use std::thread;

use rustix::process::{Resource, getrlimit};

/// What `nr_open` of the Linux kernel starts with: no process opens more, whatever its limit says.
const MOST_OPEN_FILES: u64 = 1 << 20;

/// What "auto" depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Cores this process may use.
    pub cores: NonZeroUsize,
    /// File descriptors this process may open.
    pub open_files: u64,
}

impl Machine {
    /// This machine, as seen by this process: its CPU affinity, its cgroup quota and its soft limit of file
    /// descriptors count.
    pub fn here() -> Self {
        Self {
            cores: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            open_files: getrlimit(Resource::Nofile)
                .current
                .unwrap_or(MOST_OPEN_FILES)
                .min(MOST_OPEN_FILES),
        }
    }

    /// 45 % of the file descriptors, since there may be as many connections to servers: the rest is for listeners,
    /// certificate files and logs.
    pub(super) fn connections(self) -> NonZeroUsize {
        usize::try_from(self.open_files / 20 * 9)
            .ok()
            .and_then(NonZeroUsize::new)
            .unwrap_or(NonZeroUsize::MIN)
    }
}
