//! The configuration in force in the words of the config file: what was said in the file, by variables and flags, and the
//! defaults of the rest, with the place of each. Secrets are in files, which are named; header fields that may hold some
//! are not shown.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::keys::{CERTIFICATE, properties, schema, table};
use super::layer::Layer;
use super::precedence::Layers;
use super::written::{Content, Written};

/// A configuration in the words of the config file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    entries: Vec<Line>,
    tables: Vec<Table>,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    key: String,
    /// As TOML.
    value: String,
    /// Where it is said; `None` where it is the default.
    place: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Table {
    name: String,
    /// Whether there may be several.
    is_repeated: bool,
    lines: Vec<Line>,
}

/// Parts of names of header fields that say who somebody is.
const SECRETS: [&str; 9] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "pass",
    "secret",
    "session",
    "signature",
    "token",
];

/// Tables that flags and variables describe are laid over the one of the file without these keys. Of other kinds they are
/// tables of their own.
const IDENTITY: [(&str, &[&str]); 3] = [
    ("backend", &["name"]),
    ("client_auth", &["host"]),
    ("route", &["host", "path"]),
];

impl Said {
    /// What `layers` say together.
    pub(super) fn of(layers: &Layers) -> Self {
        let in_order: Vec<&Layer> = layers.in_order().collect();
        let mut said = Self::default();
        for (name, entry) in properties(schema().as_value()) {
            let Some(schema) = table(entry) else {
                let parts = in_order.iter().map(|layer| (*layer, &layer.written));
                said.entries.extend(line(name, entry, parts));
                continue;
            };
            if entry["type"] == "array" {
                said.tables.extend(repeated(name, schema, layers));
                continue;
            }
            let parts = || {
                in_order
                    .iter()
                    .filter_map(|layer| Some((*layer, layer.written.table(name)?)))
            };
            said.tables.push(Table {
                name: name.to_owned(),
                is_repeated: false,
                lines: lines(schema, parts),
            });
        }
        said
    }

    /// The same, but `keys` (a table by its name) as `before` has them.
    pub fn with(&self, keys: &[&str], before: &Self) -> Self {
        let is_one = |name: &str| keys.contains(&name);
        let entry = |line: &Line| match is_one(&line.key) {
            true => before.entries.iter().find(|before| before.key == line.key).cloned(),
            false => Some(line.clone()),
        };
        let others = self.tables.iter().filter(|table| !is_one(&table.name));
        let theirs = before.tables.iter().filter(|table| is_one(&table.name));
        Self {
            entries: self.entries.iter().filter_map(entry).collect(),
            tables: others.chain(theirs).cloned().collect(),
        }
    }

    /// A config file that says the same.
    pub fn to_toml(&self) -> String {
        let mut text = "# The configuration in force: behind each value stands where it is from, and in comments stand the defaults.\n".to_owned();
        write_lines(&mut text, &self.entries);
        for Table {
            name,
            is_repeated,
            lines,
        } in &self.tables
        {
            let header = if *is_repeated {
                format!("[[{name}]]")
            } else {
                format!("[{name}]")
            };
            // A string takes everything.
            let _ = writeln!(text, "\n{header}");
            write_lines(&mut text, lines);
        }
        text
    }
}

fn write_lines(text: &mut String, lines: &[Line]) {
    for Line { key, value, place } in lines {
        // A string takes everything; a place is the name of a file, in which anything may stand.
        let _ = match place {
            Some(place) => writeln!(text, "{key} = {value} # {}", place.escape_debug()),
            None => writeln!(text, "# {key} = {value}"),
        };
    }
}

/// The tables called `name`: those of the file, and the one that flags and variables describe.
fn repeated(name: &str, schema: &Value, layers: &Layers) -> Vec<Table> {
    type Part<'a> = (&'a Layer, &'a Written);
    let of_names: Vec<Part<'_>> = [&layers.flags, &layers.environment]
        .into_iter()
        .filter_map(|layer| Some((layer, &layer.written.tables(name).first()?.1)))
        .collect();
    let of_file = layers.file.iter().flat_map(|file| {
        let tables = file.written.tables(name).iter();
        tables.map(move |(_, table)| vec![(file, table)])
    });
    let mut tables: Vec<Vec<Part<'_>>> = of_file.collect();
    let identity = IDENTITY.iter().find(|(kind, _)| *kind == name).map(|(_, keys)| *keys);
    let has_none = |parts: &[Part<'_>]| {
        let said = |key: &str| parts.iter().any(|(_, part)| part.get(key).is_some());
        identity.is_some_and(|keys| !keys.iter().any(|key| said(key)))
    };
    match tables.iter_mut().find(|table| has_none(table)) {
        _ if of_names.is_empty() => {}
        _ if name == CERTIFICATE => tables = vec![of_names],
        Some(default) if has_none(&of_names) => {
            default.splice(0..0, of_names);
        }
        _ => tables.push(of_names),
    }
    let table = |parts: Vec<Part<'_>>| Table {
        name: name.to_owned(),
        is_repeated: true,
        lines: lines(schema, || parts.iter().copied()),
    };
    tables.into_iter().map(table).collect()
}

/// Every key of a table that `parts` say something of, the first one first, or that has a default.
fn lines<'a, P: Iterator<Item = (&'a Layer, &'a Written)>>(schema: &Value, parts: impl Fn() -> P) -> Vec<Line> {
    let lines = properties(schema).filter_map(|(name, entry)| line(name, entry, parts()));
    lines.collect()
}

/// What is said of a key, or its default; `None` where there is neither.
fn line<'a>(name: &str, entry: &Value, parts: impl IntoIterator<Item = (&'a Layer, &'a Written)>) -> Option<Line> {
    let mut said = parts
        .into_iter()
        .filter_map(|(layer, part)| Some((layer, part.get(name)?)));
    let (value, place) = match said.next() {
        Some((layer, written)) => {
            let place = layer.place(written.span.clone()).to_string();
            (toml(name, &written.content, entry, &layer.directory()), Some(place))
        }
        None => (of_json(entry.get("default")?)?, None),
    };
    Some(Line {
        key: name.to_owned(),
        value,
        place,
    })
}

/// `content` as TOML, where a relative path starts at `directory`.
fn toml(name: &str, content: &Content, entry: &Value, directory: &Path) -> String {
    match content {
        Content::Number(number) => number.to_string(),
        Content::Switch(on) => on.to_string(),
        Content::List(items) => {
            let items: Vec<_> = items.iter().map(|item| toml(name, item, entry, directory)).collect();
            format!("[{}]", items.join(", "))
        }
        Content::Text(said) if name.ends_with("_header") => text(&without_secret(said)),
        Content::Text(said) => match entry["title"].as_str() {
            Some("true|false") if matches!(said.as_str(), "true" | "false") => said.clone(),
            Some(title) if is_path(title, said) => text(&directory.join(said).to_string_lossy()),
            _ => text(said),
        },
        // A key has no table in it.
        Content::Table(_) | Content::Tables(_) => "{}".to_owned(),
    }
}

/// Whether `said` is a path where a value is called `title`, such as `auto|off|PATH`.
fn is_path(title: &str, said: &str) -> bool {
    let mut words = title.split('|');
    let is_word = title.split('|').any(|word| word == said);
    words.any(|word| word == "PATH") && !is_word
}

/// A field to set or to add, whose value may be a secret.
fn without_secret(field: &str) -> String {
    let Some((name, _)) = field.split_once(':') else {
        return field.to_owned();
    };
    let lower = name.to_ascii_lowercase();
    match SECRETS.iter().any(|part| lower.contains(part)) {
        true => format!("{name}: [redacted]"),
        false => field.to_owned(),
    }
}

fn of_json(default: &Value) -> Option<String> {
    match default {
        Value::String(said) => Some(text(said)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(of_json).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// A basic string of TOML: the escapes of JSON are its own, but that DEL has to be escaped too.
fn text(said: &str) -> String {
    Value::from(said).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::super::environment::Environment;
    use super::super::flags::Flags;
    use super::super::keys::keys;
    use super::*;

    fn said(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
        let environment: Environment = variables.iter().copied().collect();
        let mut given = Flags::default();
        for (flag, value) in flags {
            let key = keys().iter().find(|key| key.flag == *flag).unwrap();
            given.set(key, vec![(*value).to_owned()]);
        }
        let layers = Layers {
            flags: Layer::of_flags(&given),
            environment: Layer::of_environment(&environment),
            file: Some(Layer::of_text(Path::new("/etc/f.toml"), file.to_owned())),
            ..Layers::default()
        };
        Said::of(&layers).to_toml()
    }

    #[track_caller]
    fn assert_has(text: &str, line: &str) {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }

    #[test]
    fn each_value_stands_with_its_place() {
        let text = said(
            "workers = 4\nupstream = \"http://a\"\n[timeouts]\nidle = \"5s\"\n",
            &[("FULLCHAIN_STRICT", "true")],
            &[("timeouts-header", "1s")],
        );
        assert_has(&text, "workers = 4 # /etc/f.toml:1:11: workers");
        assert_has(&text, "upstream = \"http://a\" # /etc/f.toml:2:12: upstream");
        assert_has(&text, "strict = true # FULLCHAIN_STRICT");
        assert_has(&text, "header = \"1s\" # --timeouts-header");
        assert_has(&text, "idle = \"5s\" # /etc/f.toml:4:8: timeouts.idle");
        assert_has(&text, "# connect = \"3s\"");
    }

    #[test]
    fn paths_start_where_the_process_looks_for_them() {
        let text = said(
            "roots = [\"root.pem\", \"/a.pem\"]\ncache_dir = \"auto\"\n[[certificate]]\ncert = \"tls.crt\"\n",
            &[],
            &[],
        );
        assert_has(
            &text,
            "roots = [\"/etc/root.pem\", \"/a.pem\"] # /etc/f.toml:1:9: roots",
        );
        assert_has(&text, "cache_dir = \"auto\" # /etc/f.toml:2:13: cache_dir");
        assert_has(&text, "cert = \"/etc/tls.crt\" # /etc/f.toml:4:8: certificate.cert");
    }

    #[test]
    fn flags_describe_the_one_certificate_and_the_default_route() {
        let file = "[[certificate]]\ncert = \"a\"\n[[route]]\nhost = \"a.test\"\n[[route]]\nadd_prefix = \"/b\"\n";
        let text = said(file, &[("FULLCHAIN_CERT", "c")], &[("route-backend", "x")]);
        assert_eq!(text.matches("[[certificate]]").count(), 1);
        assert_has(&text, "cert = \"c\" # FULLCHAIN_CERT");
        assert_eq!(text.matches("[[route]]").count(), 2);
        let (_, default) = text.rsplit_once("[[route]]").unwrap();
        assert_has(default, "backend = \"x\" # --route-backend");
        assert_has(default, "add_prefix = \"/b\" # /etc/f.toml:6:14: route.add_prefix");
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let text = said(
            "[[route]]\nset_request_header = [\"Authorization: Basic Zm9v\", \"X-Env: prod\", \"X-Api-Key: abc\"]\n",
            &[],
            &[],
        );
        assert!(!text.contains("Zm9v") && !text.contains("abc"), "{text}");
        assert!(
            text.contains("[\"Authorization: [redacted]\", \"X-Env: prod\", \"X-Api-Key: [redacted]\"]"),
            "{text}"
        );
    }

    #[test]
    fn it_is_a_config_file_that_says_the_same() {
        let file = "upstream = \"http://a\"\ndefault_host = \"q\"\n[[certificate]]\ncert = \"a\\u007f\\\"\\n\"\n";
        let once = said(file, &[], &[]);
        let again = said(&once, &[], &[]);
        let values = |text: &str| -> Vec<String> {
            let value = |line: &str| line.rsplit_once(" # ").map_or(line, |(value, _)| value).to_owned();
            text.lines().map(value).collect()
        };
        assert_eq!(values(&once), values(&again));
        assert_eq!(Layer::of_text(Path::new("x"), once).faults, []);
    }

    #[test]
    fn what_waits_for_a_restart_is_as_it_was() {
        let of = |file: &str| {
            Said::of(&Layers {
                file: Some(Layer::of_text(Path::new("f"), file.to_owned())),
                ..Layers::default()
            })
        };
        let before = of("workers = 1\nstrict = false\n[log]\nlevel = \"warn\"\n");
        let next = of("workers = 2\nstrict = true\n[log]\nlevel = \"debug\"\n");
        let text = next.with(&["workers", "log"], &before).to_toml();
        assert!(text.contains("workers = 1") && text.contains("strict = true") && text.contains("level = \"warn\""));
    }
}
