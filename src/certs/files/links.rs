//! Symbolic links: where a path leads, and which directories must be watched to see it lead elsewhere.
//!
//! Kubernetes mounts a secret as `tls.crt -> ..data/tls.crt`, `..data -> ..2026_11_22…`, and renews it by renaming a
//! new `..data` over the old one; certbot swaps one link per file. Either way only a directory along the way has an
//! event.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

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
        self.follow(&path, MAX_LINKS)
    }

    /// Where the absolute `path` leads, following at most `links` links.
    fn follow(&mut self, path: &Path, links: usize) -> Resolved {
        let (Some(parent), Some(last)) = (path.parent(), path.components().next_back()) else {
            return Resolved {
                path: path.to_owned(),
                ..Resolved::default()
            };
        };
        let directory = self.directory(parent, links);
        let mut resolved = Resolved {
            stamp: None,
            ..directory.clone()
        };
        match last {
            Component::ParentDir => {
                resolved.path.pop();
                return resolved;
            }
            component => resolved.path.push(component),
        }
        resolved.directories = directory.directories_of_links();
        resolved.directories.insert(directory.path.clone());
        // One look serves both questions, link or not and in which state: a store may have ten thousand files.
        let Ok(metadata) = fs::symlink_metadata(&resolved.path) else {
            return resolved;
        };
        if !metadata.is_symlink() {
            resolved.stamp = Some(Stamp::from(&metadata));
            return resolved;
        }
        let (Ok(target), Some(links)) = (fs::read_link(&resolved.path), links.checked_sub(1)) else {
            return resolved;
        };
        let further = self.follow(&directory.path.join(&target), links);
        resolved.links.push((resolved.path, target));
        resolved.links.extend(further.links);
        resolved.directories.extend(further.directories);
        resolved.path = further.path;
        resolved.stamp = further.stamp;
        resolved
    }

    fn directory(&mut self, path: &Path, links: usize) -> Resolved {
        if let Some(known) = self.directories.get(path) {
            return known.clone();
        }
        let resolved = self.follow(path, links);
        // Only what was followed with the whole allowance holds for every path.
        if links == MAX_LINKS {
            self.directories.insert(path.to_owned(), resolved.clone());
        }
        resolved
    }
}

impl Resolved {
    /// The directories that hold a link along the way: the others are no reason to watch.
    fn directories_of_links(&self) -> BTreeSet<PathBuf> {
        self.links
            .iter()
            .filter_map(|(link, _)| link.parent())
            .map(Path::to_owned)
            .collect()
    }
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
}
