//! What Prometheus would make of a page of metrics. It is stricter: whatever the format forbids, or only tolerates,
//! fails the test.

use std::collections::{BTreeMap, HashSet};
use std::iter::Peekable;
use std::str::Chars;

/// A page of metrics.
#[derive(Debug)]
pub(crate) struct Scrape {
    families: Vec<Family>,
}

/// A metric with its samples.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    labels: Labels,
    value: f64,
}

type Labels = BTreeMap<String, String>;

impl Scrape {
    /// Reads a page.
    #[track_caller]
    pub(crate) fn of(text: &str) -> Self {
        let text = text.strip_suffix('\n').expect("the last line ends");
        let mut families: Vec<Family> = Vec::new();
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let help = line
                .strip_prefix("# HELP ")
                .unwrap_or_else(|| panic!("no HELP: {line}"));
            let (name, help) = help.split_once(' ').unwrap_or((help, ""));
            assert!(is_name(name, true) && !help.is_empty(), "{line}");
            let line = lines.next().unwrap();
            let kind = line
                .strip_prefix(&format!("# TYPE {name} "))
                .unwrap_or_else(|| panic!("no TYPE: {line}"));
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(families.iter().all(|family| family.name != name), "{name} comes twice");
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                samples.push(Sample::of(line));
            }
            let family = Family {
                name: name.to_owned(),
                kind: kind.to_owned(),
                help: help.to_owned(),
                samples,
            };
            family.check();
            families.push(family);
        }
        Self { families }
    }

    /// Every metric, in the order of the page.
    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }

    /// The value of the one sample of this name that has these labels among its own.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.matching(name, labels);
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:#?}");
        found[0].value
    }

    /// The sum of all samples of this name that have these labels among their own; none is zero.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).iter().map(|sample| sample.value).sum()
    }

    /// The values of a label among the samples of this name whose value is not zero.
    pub(crate) fn named(&self, name: &str, label: &str) -> Vec<&str> {
        let samples = self
            .matching(name, &[])
            .into_iter()
            .filter(|sample| sample.value != 0.0);
        samples.map(|sample| &*sample.labels[label]).collect()
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let has = |sample: &Sample| {
            let mut labels = labels.iter();
            labels.all(|(label, value)| sample.labels.get(*label).is_some_and(|own| own == value))
        };
        let samples = self.families.iter().flat_map(|family| &family.samples);
        samples.filter(|sample| sample.name == name && has(sample)).collect()
    }
}

impl Family {
    /// The names of its labels.
    pub(crate) fn labels(&self) -> Vec<&str> {
        let labels = self.samples.first().map(|sample| sample.labels.keys());
        let labels = labels.into_iter().flatten().map(String::as_str);
        labels.filter(|label| *label != "le").collect()
    }

    fn check(&self) {
        let Self {
            name, kind, samples, ..
        } = self;
        let mut seen = HashSet::new();
        for sample in samples {
            let series = (sample.name.clone(), sample.labels.clone());
            assert!(seen.insert(series), "twice: {sample:?}");
        }
        match kind.as_str() {
            "histogram" => {
                assert!(name.ends_with("_seconds"), "{name}");
                let mut rest = samples.as_slice();
                while !rest.is_empty() {
                    rest = check_histogram(name, rest);
                }
            }
            kind => {
                assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
                for sample in samples {
                    assert!(sample.name == *name && !sample.labels.contains_key("le"), "{sample:?}");
                    assert!(sample.value >= 0.0 && sample.value.is_finite(), "{sample:?}");
                }
            }
        }
        let labels = |sample: &Sample| -> Vec<String> {
            let labels = sample.labels.keys().filter(|label| *label != "le");
            labels.cloned().collect()
        };
        let differing = samples.iter().find(|sample| labels(sample) != labels(&samples[0]));
        assert_eq!(differing, None, "{name}: others have other labels");
    }
}

/// Checks the first histogram of `samples`; what follows it.
fn check_histogram<'s>(name: &str, samples: &'s [Sample]) -> &'s [Sample] {
    let is_bucket = |sample: &&Sample| sample.name == format!("{name}_bucket");
    let length = samples.iter().take_while(is_bucket).count();
    assert!(length > 0 && samples.len() >= length + 2, "{name}: {:?}", samples[0]);
    // Another histogram's buckets may follow at once only where sum and count are missing.
    let (buckets, rest) = samples.split_at(length);
    let own = |sample: &Sample| {
        let mut labels = sample.labels.clone();
        (labels.remove("le"), labels)
    };
    let (_, labels) = own(&buckets[0]);
    let mut before = (f64::NEG_INFINITY, 0.0);
    for bucket in buckets {
        let (bound, of_bucket) = own(bucket);
        assert_eq!(of_bucket, labels, "{bucket:?}");
        let bound: f64 = number(&bound.unwrap());
        assert!(
            bound > before.0 && bucket.value >= before.1,
            "not cumulative: {bucket:?}"
        );
        before = (bound, bucket.value);
    }
    let of = |suffix: &str, sample: &Sample| {
        assert_eq!((&sample.name, &sample.labels), (&format!("{name}{suffix}"), &labels));
        sample.value
    };
    let (sum, count) = (of("_sum", &rest[0]), of("_count", &rest[1]));
    assert_eq!(before, (f64::INFINITY, count), "{name}: the last bucket is everything");
    assert!(sum >= 0.0, "{name}: {sum}");
    &rest[2..]
}

impl Sample {
    fn of(line: &str) -> Self {
        let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line:?}"));
        let (name, rest) = line.split_at(end);
        assert!(is_name(name, true), "{line}");
        let mut rest = rest.chars().peekable();
        let mut labels = Labels::new();
        if rest.next_if_eq(&'{').is_some() {
            loop {
                let label: String = std::iter::from_fn(|| rest.next_if(|character| *character != '=')).collect();
                assert!(is_name(&label, false), "{line}");
                assert_eq!((rest.next(), rest.next()), (Some('='), Some('"')), "{line}");
                let value = quoted(&mut rest).unwrap_or_else(|| panic!("{line}"));
                assert_eq!(labels.insert(label, value), None, "{line}");
                match rest.next() {
                    Some(',') => {}
                    Some('}') => break,
                    _ => panic!("{line}"),
                }
            }
        }
        assert_eq!(rest.next(), Some(' '), "{line}");
        Self {
            name: name.to_owned(),
            labels,
            value: number(&rest.collect::<String>()),
        }
    }
}

/// What stands up to the closing quote, which is taken too.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut value = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(value),
            '\\' => value.push(match rest.next()? {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
}

fn number(text: &str) -> f64 {
    if text == "+Inf" {
        return f64::INFINITY;
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    assert!(is_plain, "{text}");
    text.parse().unwrap()
}

fn is_name(name: &str, of_metric: bool) -> bool {
    let may =
        |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit() || (of_metric && byte == b':');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    begins && name.bytes().all(may)
}
