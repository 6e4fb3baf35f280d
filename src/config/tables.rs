//! Tables that may stand several times: `[[certificate]]`, `[[route]]` and their like, as the layers wrote them.

use toml::Spanned;

use super::error::{Fault, Place};
use super::layer::{Given, Layer};
use super::precedence::Layers;
use super::raw::Raw;
use super::setting::{List, Setting};

/// Where a kind of table stands in a layer.
type Pick<T> = fn(&Raw) -> &Vec<Spanned<T>>;

/// One table as it was written.
#[derive(Debug)]
pub(super) struct Table<'a, T> {
    /// By one layer or, best first, by several.
    parts: Vec<(T, &'a Layer)>,
    /// Where it starts in the file, if it stands there.
    place: Option<Place>,
}

impl<'a, T: Clone> Table<'a, T> {
    /// Those of the config file.
    pub(super) fn of_file(layers: &'a Layers, pick: Pick<T>) -> Vec<Self> {
        let tables = layers.file.iter().flat_map(|file| {
            pick(&file.raw).iter().map(move |table| Self {
                parts: vec![(table.get_ref().clone(), file)],
                place: Some(file.place(table.span())),
            })
        });
        tables.collect()
    }

    /// The one that flags and variables describe, if they do: a flag goes before a variable.
    pub(super) fn of_names(layers: &'a Layers, pick: Pick<T>) -> Option<Self> {
        let of_layer = |layer: &'a Layer| pick(&layer.raw).first().map(|table| (table.get_ref().clone(), layer));
        Self::of_parts([of_layer(&layers.flags), of_layer(&layers.environment)])
    }

    /// A table that stands in no file; `None` without any part.
    pub(super) fn of_parts(parts: impl IntoIterator<Item = Option<(T, &'a Layer)>>) -> Option<Self> {
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then_some(Self { parts, place: None })
    }

    /// Both in one: what `other` says goes before.
    pub(super) fn under(mut self, other: Self) -> Self {
        self.parts.splice(0..0, other.parts);
        self
    }

    /// Where the table starts in the file, if it stands there.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The value of a key with one value; what is wrong with it is noted in `faults`.
    pub(super) fn one<U: Clone>(&self, pick: impl Fn(&T) -> &Setting<U>, faults: &mut Vec<Fault>) -> Option<Given<U>> {
        let given = self
            .parts
            .iter()
            .find_map(|(part, layer)| pick(part).read().map(|read| layer.given(read)))?;
        given.map_err(|fault| faults.push(fault)).ok()
    }

    /// The values of a key with many; what is wrong with them is noted in `faults`.
    pub(super) fn many<U: Clone>(
        &self,
        pick: impl Fn(&T) -> &List<U>,
        faults: &mut Vec<Fault>,
    ) -> Option<Vec<Given<U>>> {
        let (layer, elements) = self
            .parts
            .iter()
            .find_map(|(part, layer)| Some((layer, pick(part).read()?)))?;
        let given = elements.iter().map(|read| layer.given(read));
        Some(
            given
                .filter_map(|given| given.map_err(|fault| faults.push(fault)).ok())
                .collect(),
        )
    }
}
