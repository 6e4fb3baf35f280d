//! Who goes before whom: a flag before a variable, a variable before the file.

use std::path::PathBuf;

use super::environment::Environment;
use super::error::{Error, Fault};
use super::flags::Flags;
use super::layer::{FILE_VARIABLE, Given, Layer};
use super::raw::Raw;
use super::setting::{List, Setting};

/// Where the config file is looked for when nobody names one.
const DEFAULT_FILE: &str = "/etc/fullchain/fullchain.toml";

/// The three places where things are said, and what was found wrong in them so far.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) flags: Layer,
    pub(super) environment: Layer,
    pub(super) file: Option<Layer>,
    pub(super) faults: Vec<Fault>,
}

impl Layers {
    /// Reads the flags, the variables and the file they lead to.
    pub(super) fn read(flags: &Flags, environment: &Environment) -> Result<Self, Error> {
        let mut layers = Self {
            flags: Layer::of_flags(flags),
            environment: Layer::of_environment(environment),
            ..Self::default()
        };
        let named = flags
            .file
            .clone()
            .or_else(|| environment.value(FILE_VARIABLE).map(PathBuf::from));
        let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| !layers.name_certificate() && path.exists());
        layers.file = named.or_else(default).map(|path| Layer::of_file(&path)).transpose()?;
        for layer in layers.all_mut() {
            layer.credentials = environment.credentials_directory();
        }
        layers.gather()
    }

    /// Whether there is no file and no flag or variable that could do without one.
    pub(super) fn are_silent(&self) -> bool {
        self.file.is_none() && !self.name_certificate() && self.faults.is_empty()
    }

    /// Whether a flag or a variable describes a certificate, or names a directory with certificates.
    fn name_certificate(&self) -> bool {
        [&self.flags, &self.environment]
            .iter()
            .any(|layer| !layer.raw.certificate.is_empty() || names_directory(layer))
    }

    /// Whether a directory with certificates is named anywhere.
    pub(super) fn name_directory(&self) -> bool {
        let said = self
            .in_order()
            .find(|layer| layer.raw.certificate_directory.read().is_some());
        said.is_some_and(names_directory)
    }

    /// The value of a key with one value.
    pub(super) fn one<T: Clone>(&mut self, pick: impl Fn(&Raw) -> &Setting<T>) -> Option<Given<T>> {
        let given = self
            .in_order()
            .find_map(|layer| pick(&layer.raw).read().map(|read| layer.given(read)))?;
        self.note(given)
    }

    /// The values of a key with many.
    pub(super) fn many<T: Clone>(&mut self, pick: impl Fn(&Raw) -> &List<T>) -> Option<Vec<Given<T>>> {
        let (layer, elements) = self
            .in_order()
            .find_map(|layer| Some((layer, pick(&layer.raw).read()?)))?;
        let given: Vec<_> = elements.iter().map(|read| layer.given(read)).collect();
        Some(given.into_iter().filter_map(|given| self.note(given)).collect())
    }

    /// The files that the configuration was read from.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.in_order().flat_map(Layer::files).collect()
    }

    /// What there is of `given`; its fault is noted.
    pub(super) fn note<T>(&mut self, given: Result<T, Fault>) -> Option<T> {
        given.map_err(|fault| self.faults.push(fault)).ok()
    }

    pub(super) fn in_order(&self) -> impl Iterator<Item = &Layer> {
        [&self.flags, &self.environment].into_iter().chain(&self.file)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Layer> {
        [&mut self.flags, &mut self.environment]
            .into_iter()
            .chain(&mut self.file)
    }

    /// Takes the layers' own faults. A file that is not TOML says nothing, so that nothing can be missed in it either.
    fn gather(mut self) -> Result<Self, Error> {
        let broken = self.file.as_ref().is_some_and(|file| file.broken);
        let mut faults: Vec<_> = self.all_mut().flat_map(|layer| layer.faults.drain(..)).collect();
        self.faults.append(&mut faults);
        if broken {
            Err(Error::Faults(self.faults))
        } else {
            Ok(self)
        }
    }
}

fn names_directory(layer: &Layer) -> bool {
    let directories = layer.raw.certificate_directory.read();
    directories.is_some_and(|directories| !directories.is_empty())
}
