//! What the operating system knows of this process. The names are those of every Prometheus client, without a prefix of
//! ours: dashboards look for them.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Exposition, Kind, Metric};

const BUILD_INFO: Metric = Metric {
    name: "fullchain_build_info",
    kind: Kind::Gauge,
    labels: &["version"],
    help: "Always 1; the label says which version runs.",
};
const START_TIME: Metric = Metric {
    name: "process_start_time_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the process began, in seconds since 1970.",
};
const CPU: Metric = Metric {
    name: "process_cpu_seconds_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Time spent on processors, in user mode and in the kernel.",
};
const RESIDENT_MEMORY: Metric = Metric {
    name: "process_resident_memory_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Memory of the process that is in RAM.",
};
const OPEN_FDS: Metric = Metric {
    name: "process_open_fds",
    kind: Kind::Gauge,
    labels: &[],
    help: "Open file descriptors.",
};
const MAX_FDS: Metric = Metric {
    name: "process_max_fds",
    kind: Kind::Gauge,
    labels: &[],
    help: "How many file descriptors there may be.",
};

/// This process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    began: SystemTime,
}

impl Process {
    /// Everything that [`write`](Self::write) writes.
    pub const METRICS: [&'static Metric; 6] = [&BUILD_INFO, &START_TIME, &CPU, &RESIDENT_MEMORY, &OPEN_FDS, &MAX_FDS];

    /// The process, which began at the instant `began`.
    pub fn new(began: SystemTime) -> Self {
        Self { began }
    }

    /// Asks the kernel and writes what it says; what it does not say has no value.
    pub fn write(&self, text: &mut Exposition) {
        text.begin(&BUILD_INFO).put(&[env!("CARGO_PKG_VERSION")], 1);
        let began = self.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        text.begin(&START_TIME).put(&[], began.as_secs_f64());
        let mut put = |metric, value: Option<f64>| {
            let mut samples = text.begin(metric);
            if let Some(value) = value {
                samples.put(&[], value);
            }
        };
        put(&CPU, cpu_seconds());
        put(&RESIDENT_MEMORY, resident_bytes());
        put(&OPEN_FDS, open_descriptors());
        put(&MAX_FDS, most_descriptors());
    }
}

/// Fields 14 and 15 of proc_pid_stat(5), which counts hundredths of a second on every Linux.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses, in which anything may stand.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_descriptors() -> Option<f64> {
    const DIRECTORY: &str = "/proc/self/fd";
    // Since Linux 6.2 the directory's size says how many there are; a proxy with many connections spares itself the list.
    let size = fs::metadata(DIRECTORY).ok()?.len();
    let count = match u32::try_from(size).ok()? {
        // One of those that are listed is the list's own.
        0 => u32::try_from(fs::read_dir(DIRECTORY).ok()?.count())
            .ok()?
            .saturating_sub(1),
        size => size,
    };
    Some(f64::from(count))
}

fn most_descriptors() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_kernel_answers() {
        let mut text = Exposition::default();
        Process::new(UNIX_EPOCH + Duration::from_secs(1_780_272_000)).write(&mut text);
        let text = text.into_text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
            line.split_once(' ').unwrap().1.parse().unwrap()
        };
        assert_eq!(value("process_start_time_seconds"), 1_780_272_000.0);
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") < value("process_max_fds"));
        assert!(value("process_cpu_seconds_total") < 1e6);
    }
}
