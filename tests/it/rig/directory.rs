//! A temporary directory that changes as operators, ACME clients and Kubernetes change theirs.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory that goes with the test.
pub(crate) struct Directory(TempDir);

impl Directory {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// The path of `name`.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path of `name` as an argument.
    pub(crate) fn text(&self, name: impl AsRef<Path>) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a new file, and the directories it is in.
    pub(crate) fn write(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// Writes a file aside and renames it over `name`: no reader ever sees a part of it.
    pub(crate) fn replace(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        let aside = path.with_extension("tmp");
        fs::write(&aside, contents).unwrap();
        fs::rename(aside, path).unwrap();
    }

    /// Truncates `name` and writes the first half of `contents`; the second is written with the result.
    pub(crate) fn tear(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> impl FnOnce() {
        let contents = contents.as_ref().to_vec();
        let mut file = File::create(self.path(name)).unwrap();
        let middle = contents.len() / 2;
        file.write_all(&contents[..middle]).unwrap();
        move || file.write_all(&contents[middle..]).unwrap()
    }

    pub(crate) fn remove(&self, name: impl AsRef<Path>) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Swaps the files of the volume `name` as the kubelet does: a new directory beside the old, then one rename of the
    /// symbolic link `..data`, then links to what is new come, and those to what is gone go with the old directory.
    pub(crate) fn project(&self, name: &str, generation: usize, files: &[(&str, String)]) {
        let volume = self.path(name);
        let fresh = format!("..{generation}");
        for (file, contents) in files {
            self.write(Path::new(name).join(&fresh).join(file), contents);
        }
        let before = fs::read_link(volume.join("..data")).ok();
        symlink(&fresh, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        for (file, _) in files {
            if fs::symlink_metadata(volume.join(file)).is_err() {
                symlink(Path::new("..data").join(file), volume.join(file)).unwrap();
            }
        }
        for entry in fs::read_dir(&volume).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if !name.starts_with("..") && files.iter().all(|(file, _)| *file != name) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        if let Some(before) = before {
            fs::remove_dir_all(volume.join(before)).unwrap();
        }
    }

    /// Every path below, with what links lead to and how long files are.
    pub(crate) fn listing(&self) -> String {
        let mut text = String::new();
        list(self.0.path(), &mut text);
        text
    }
}

fn list(directory: &Path, text: &mut String) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&path).unwrap_or_default();
                text.push_str(&format!("  {} -> {}\n", path.display(), target.display()));
            }
            Ok(metadata) if metadata.is_dir() => list(&path, text),
            Ok(metadata) => text.push_str(&format!("  {}, {} bytes\n", path.display(), metadata.len())),
            Err(_) => {}
        }
    }
}
