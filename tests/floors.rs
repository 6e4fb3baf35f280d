//! The house has floors: a room imports only from the floors below it.
//!
//! `docs/ARCHITECTURE.md` says why; this test keeps that document true. It reads every path that starts at `crate`,
//! `self` or `super`, wherever it stands, and works out which room it leads to.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lowest floor first. Rooms on one floor are neighbours and do not import each other.
const FLOORS: &[&[&str]] = &[
    &["chain", "live", "telemetry"],
    &["certs", "ocsp"],
    &["fetch", "tls"],
    &["proxy", "reload"],
    &["admin"],
    &["config"],
    &["app"],
    &["cli"],
    &["lib", "main"],
];

#[test]
fn imports_point_down() {
    let climbing: Vec<String> = rust_files(&source_directory())
        .iter()
        .flat_map(|file| climbs(&module_of(file), &fs::read_to_string(file).unwrap()))
        .collect();
    assert!(climbing.is_empty(), "imports that climb:\n{}", climbing.join("\n"));
}

#[test]
fn every_room_stands_on_one_floor() {
    let standing: Vec<&str> = FLOORS.concat();
    let rooms: BTreeSet<String> = rust_files(&source_directory())
        .iter()
        .map(|file| room_of(file))
        .collect();
    assert_eq!(standing.len(), rooms.len(), "a room stands on two floors or on none");
    assert_eq!(standing.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), rooms);
}

#[test]
fn a_climb_is_seen_however_it_is_written() {
    let climbs_from = |module: &[&str], source: &str| {
        let module: Vec<String> = module.iter().map(ToString::to_string).collect();
        climbs(&module, source).len()
    };
    for source in [
        "use crate::proxy;",
        "use crate::{chain, proxy::Server as _};",
        "use crate::{\n    chain::{Store, Trail},\n    proxy::{Server, drain},\n};",
        "use super::super::proxy::Server;",
        "use super::super::{chain, proxy};",
        "use super::{super::proxy, Settings};",
        "mod tests { use super::super::super::proxy; }",
        "fn f() -> crate::proxy::Server { crate::chain::f() }",
        "use crate::*;",
        "use crate::{self as house};",
        "use crate::certs::testing; use crate::nothing_known;",
    ] {
        assert_eq!(climbs_from(&["tls", "resolver"], source), 1, "{source}");
    }
    for source in [
        "use crate::certs::{Files, Inventory};",
        "use super::{Identity, names::Names};",
        "use super::super::chain;",
        "pub(crate) fn f() {} pub(in crate::tls) fn g() {}",
        "mod tests { use super::*; use super::super::Error; }",
        "// use crate::proxy;\n/* crate::proxy */ const TEXT: &str = \"crate::proxy \\\" crate::proxy\";",
        "const QUOTE: char = '\"'; /* crate::proxy */ const NEXT: char = '\"'; fn f<'a>(_: &'a str) {}",
        "const RAW: &str = r#\"\" crate::proxy\"#;",
    ] {
        assert_eq!(climbs_from(&["tls", "resolver"], source), 0, "{source}");
    }
    assert_eq!(climbs_from(&["tls"], "use super::proxy;"), 1, "tls/mod.rs");
    assert_eq!(
        climbs_from(&["live"], "mod tests { use super::super::tls; }"),
        1,
        "live.rs"
    );
}

/// The paths in `source`, the text of `module`, that lead to a room which is neither its own nor on a floor below.
fn climbs(module: &[String], source: &str) -> Vec<String> {
    let room = module.first().map_or("lib", String::as_str);
    let from = floor_of(room).unwrap_or_else(|| panic!("`{room}` stands on no floor"));
    Source::new(module, &tokens(source))
        .rooms()
        .into_iter()
        .filter(|target| target != room && floor_of(target).is_none_or(|to| to >= from))
        .map(|target| format!("{}: {room} -> {target}", module.join("::")))
        .collect()
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The text of one module, read from token to token.
struct Source<'t> {
    tokens: &'t [String],
    next: usize,
    /// The module the next token stands in, inline modules included.
    module: Vec<String>,
    /// For each open brace whether it is that of an inline module.
    braces: Vec<bool>,
}

impl<'t> Source<'t> {
    fn new(module: &[String], tokens: &'t [String]) -> Self {
        Self {
            tokens,
            next: 0,
            module: module.to_vec(),
            braces: Vec::new(),
        }
    }

    /// The rooms that paths lead to.
    fn rooms(mut self) -> BTreeSet<String> {
        let mut rooms = BTreeSet::new();
        while self.next < self.tokens.len() {
            let start = self.next;
            match self.tokens[start].as_str() {
                "crate" | "self" | "super" => {
                    for path in self.paths(&[]) {
                        rooms.extend(self.room(&path));
                    }
                    // What a group held is read; a brace of the group is none of the code.
                    continue;
                }
                "{" => {
                    let opens_module = start >= 2 && self.tokens[start - 2] == "mod";
                    if opens_module {
                        self.module.push(self.tokens[start - 1].clone());
                    }
                    self.braces.push(opens_module);
                }
                "}" if self.braces.pop() == Some(true) => {
                    self.module.pop();
                }
                _ => {}
            }
            self.next += 1;
        }
        rooms
    }

    /// The paths of the use tree that starts at the next token, each with `prefix` before it.
    fn paths(&mut self, prefix: &[String]) -> Vec<Vec<String>> {
        let mut path = prefix.to_vec();
        loop {
            match self.tokens.get(self.next).map(String::as_str) {
                Some("{") => {
                    self.next += 1;
                    return self.group(&path);
                }
                Some(segment) if segment == "*" || is_identifier(segment) => {
                    path.push(segment.to_owned());
                    self.next += 1;
                }
                _ => return vec![path],
            }
            if self.tokens.get(self.next).is_none_or(|token| token != "::") {
                return vec![path];
            }
            self.next += 1;
        }
    }

    /// The paths of a group, from behind its brace to behind the brace that closes it.
    fn group(&mut self, prefix: &[String]) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        while let Some(token) = self.tokens.get(self.next) {
            match token.as_str() {
                "}" => {
                    self.next += 1;
                    break;
                }
                "," => self.next += 1,
                // A new name gives way to no other room.
                "as" => self.next += 2,
                _ => {
                    let before = self.next;
                    paths.extend(self.paths(prefix));
                    self.next = self.next.max(before + 1);
                }
            }
        }
        paths
    }

    /// The room that `path` leads to; none for a bare `crate` or `super`, as in `pub(crate)`.
    fn room(&self, path: &[String]) -> Option<String> {
        let mut module = self.module.as_slice();
        let mut rest = path;
        while let [first, after @ ..] = rest {
            match first.as_str() {
                "crate" => module = &[],
                "self" => {}
                "super" => module = module.split_last().map_or(&[], |(_, above)| above),
                _ => break,
            }
            rest = after;
        }
        match (module.first(), rest.first()) {
            (Some(room), _) | (None, Some(room)) => Some(room.clone()),
            (None, None) => (path.len() > 1).then(|| "the whole crate".to_owned()),
        }
    }
}

/// Identifiers, `::` and single characters of `source`, without comments, text and lifetimes.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = length_of_text(rest) {
            length
        } else if is_identifier(rest) {
            let length = rest.find(|c| !is_in_identifier(c)).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// How long the string, character or lifetime is that `rest` starts with, if it starts with one.
fn length_of_text(rest: &str) -> Option<usize> {
    let behind_prefix = rest.trim_start_matches(['b', 'c', 'r']);
    let prefix = rest.len() - behind_prefix.len();
    let hashes = behind_prefix.len() - behind_prefix.trim_start_matches('#').len();
    if rest[..prefix].ends_with('r') && behind_prefix[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let start = prefix + hashes + 1;
        return Some(rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len()));
    }
    if prefix <= 1 && behind_prefix.starts_with('"') {
        return Some(prefix + length_of_quoted(behind_prefix, '"'));
    }
    if prefix <= 1 && behind_prefix.starts_with('\'') {
        let mut characters = behind_prefix.chars().skip(1);
        let is_character = characters.next() == Some('\\') || characters.next() == Some('\'');
        return Some(
            prefix
                + if is_character {
                    length_of_quoted(behind_prefix, '\'')
                } else {
                    1
                },
        );
    }
    None
}

/// From the quotation mark that `text` starts with to the one that ends it, both counted.
fn length_of_quoted(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| is_in_identifier(c) && !c.is_ascii_digit())
}

fn is_in_identifier(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `["tls", "resolver"]` for `src/tls/resolver.rs`, `["tls"]` for `src/tls/mod.rs`.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(source_directory()).unwrap().with_extension("");
    let mut module: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.len() > 1 && module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

fn room_of(file: &Path) -> String {
    module_of(file).swap_remove(0)
}

fn source_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
