//! Symbolic links: where a path leads, and which directories must be watched to see it lead elsewhere.
//!
//! Kubernetes mounts a secret as `tls.crt -> ..data/tls.crt`, `..data -> ..2026_11_22…`, and renews it by renaming a
//! new `..data` over the old one; certbot swaps one link per file. Either way only a directory along the way has an
//! event.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use super::read::Stamp;

/// The links Linux follows in one path before it gives up (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Where a path leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    /// The path without a link in it. Where something along the way does not exist, what follows is as configured.
    pub(super) path: PathBuf,
    /// Every link along the way with its target.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    /// The directories with a link along the way, and the one with the file.
    pub(super) directories: BTreeSet<PathBuf>,
    /// The state of what the path leads to; `None` where there is nothing.
    pub(super) stamp: Option<Stamp>,
}

/// Resolves paths, each directory once: ten thousand files mostly share a few.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    directories: HashMap<PathBuf, Resolved>,
}

impl Resolver {
    /// Where `path` leads at this moment.
    pub(super) fn resolve(&mut self, path: &Path) -> Resolved {
        // Relative only where the current directory has been removed.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (Some(parent), Some(last)) = (path.parent(), path.components().next_back()) else {
            return Resolved {
                path,
                ..Resolved::default()
            };
        };
        let mut resolved = self.directory(parent);
        resolved.follow(last.as_ref());
        let holders = resolved.links.iter().map(|(link, _)| link.as_path());
        resolved.directories = holders
            .chain([resolved.path.as_path()])
            .filter_map(Path::parent)
            .map(Path::to_owned)
            .collect();
        resolved
    }

    fn directory(&mut self, path: &Path) -> Resolved {
        if let Some(known) = self.directories.get(path) {
            return known.clone();
        }
        let mut resolved = Resolved::default();
        resolved.follow(path);
        self.directories.insert(path.to_owned(), resolved.clone());
        resolved
    }
}

impl Resolved {
    /// How many bytes the file has.
    pub(super) fn length(&self) -> u64 {
        self.stamp.map_or(0, |stamp| stamp.length())
    }

    /// Whether the file was written so shortly before `now` that it may be written again without another stamp.
    pub(super) fn is_young(&self, now: SystemTime) -> bool {
        self.stamp.is_some_and(|stamp| stamp.is_young(now))
    }

    /// Goes on from here along `path`. As in the kernel the links are counted for the whole way, those in the targets
    /// of others included: a count for each level lets a handful of links multiply to any number of steps.
    fn follow(&mut self, path: &Path) {
        let mut ahead = backwards(path);
        while let Some(component) = ahead.pop() {
            self.stamp = None;
            if component == ".." {
                self.path.pop();
                continue;
            }
            self.path.push(component);
            // One look serves both questions, link or not and in which state: a store may have ten thousand files.
            let Ok(metadata) = fs::symlink_metadata(&self.path) else {
                continue;
            };
            if !metadata.is_symlink() {
                self.stamp = Some(Stamp::from(&metadata));
                continue;
            }
            if self.links.len() == MAX_LINKS {
                continue;
            }
            let Ok(target) = fs::read_link(&self.path) else {
                continue;
            };
            ahead.extend(backwards(&target));
            let link = self.path.clone();
            self.path.pop();
            self.links.push((link, target));
        }
    }
}

/// The components of `path`, last first. One that is absolute replaces the way so far when it is pushed.
fn backwards(path: &Path) -> Vec<OsString> {
    let components = path.components().filter(|component| *component != Component::CurDir);
    components
        .rev()
        .map(|component| component.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_plain_file_leads_to_itself_and_its_directory_is_watched() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let resolved = Resolver::default().resolve(&root.join("tls.crt"));
        assert_eq!(resolved.path, root.join("tls.crt"));
        assert_eq!(resolved.links, []);
        assert_eq!(resolved.directories, BTreeSet::from([root]));
    }

    #[test]
    fn every_link_of_a_kubernetes_mount_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir(root.join("..2026")).unwrap();
        fs::write(root.join("..2026/tls.crt"), "x").unwrap();
        symlink("..2026", root.join("..data")).unwrap();
        symlink("..data/tls.crt", root.join("tls.crt")).unwrap();

        let resolved = Resolver::default().resolve(&root.join("tls.crt"));
        assert_eq!(resolved.path, root.join("..2026/tls.crt"));
        assert_eq!(
            resolved.links,
            [
                (root.join("tls.crt"), PathBuf::from("..data/tls.crt")),
                (root.join("..data"), PathBuf::from("..2026")),
            ]
        );
        assert_eq!(
            resolved.directories,
            BTreeSet::from([root.clone(), root.join("..2026")])
        );
    }

    #[test]
    fn a_link_upwards_and_across_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for name in ["archive", "live"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        fs::write(root.join("archive/cert3.pem"), "x").unwrap();
        symlink("../archive/cert3.pem", root.join("live/cert.pem")).unwrap();

        let resolved = Resolver::default().resolve(&root.join("live/../live/cert.pem"));
        assert_eq!(resolved.path, root.join("archive/cert3.pem"));
        assert_eq!(
            resolved.directories,
            BTreeSet::from([root.join("archive"), root.join("live")])
        );
    }

    #[test]
    fn a_loop_of_links_ends() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert_eq!(Resolver::default().resolve(&root.join("a")).links.len(), MAX_LINKS);
        assert_eq!(
            Resolver::default().resolve(&root.join("a/x")).path.file_name().unwrap(),
            "x"
        );
    }
    #[test]
    fn links_within_the_targets_of_links_are_counted_as_the_kernel_does() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let name = |level: usize| root.join(format!("l{level}"));
        fs::create_dir(root.join("end")).unwrap();
        symlink("end", name(0)).unwrap();
        for level in 1..40 {
            let below = format!("l{}", level - 1);
            symlink(format!("{below}/../{below}/../{below}"), name(level)).unwrap();
        }
        // 1, 4, 13 and 40 links; one level more is too many, 39 levels are 6 * 10^18 steps.
        assert!(fs::metadata(name(3)).is_ok() && fs::metadata(name(4)).is_err());
        let resolved = Resolver::default().resolve(&name(3));
        assert_eq!((resolved.path, resolved.links.len()), (root.join("end"), MAX_LINKS));
        assert!(resolved.stamp.is_some());
        for level in [4, 39] {
            let resolved = Resolver::default().resolve(&name(level));
            assert_eq!((resolved.links.len(), resolved.stamp), (MAX_LINKS, None), "{level}");
        }
    }
}
