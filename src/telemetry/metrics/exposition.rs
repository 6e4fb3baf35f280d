//! The text that Prometheus reads: its exposition format 0.0.4.

use std::fmt::{self, Write};

use super::Distribution;

/// What a number is called, and what it means.
#[derive(Debug)]
pub struct Metric {
    /// As Prometheus' "Metric and label naming" has it: base units, `_total` behind what only grows.
    pub name: &'static str,
    /// What kind of number.
    pub kind: Kind,
    /// The names of its labels, in the order in which samples give their values.
    pub labels: &'static [&'static str],
    /// What it means, in one sentence.
    pub help: &'static str,
}

/// The kinds of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and begins at zero with the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often something took how long, in buckets.
    Histogram,
}

/// The text as it grows.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// Where the samples of one metric go.
#[derive(Debug)]
pub struct Samples<'a> {
    text: &'a mut String,
    metric: &'static Metric,
}

/// The value of a sample.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// A number of things, or of whole seconds since 1970.
    Whole(u64),
    /// Seconds.
    Seconds(f64),
}

impl Exposition {
    /// Begins a metric. All its samples follow at once, as the format wants it.
    pub fn begin(&mut self, metric: &'static Metric) -> Samples<'_> {
        let Metric { name, kind, help, .. } = metric;
        self.line(format_args!("# HELP {name} {}", Escaped(help, false)));
        self.line(format_args!("# TYPE {name} {kind}"));
        Samples {
            text: &mut self.text,
            metric,
        }
    }

    /// Everything that was written.
    pub fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = writeln!(self.text, "{line}");
    }
}

impl Samples<'_> {
    /// Writes a value under these values of the labels, one for each.
    pub fn put(&mut self, labels: &[&str], value: impl Into<Value>) -> &mut Self {
        self.line("", labels, None, value.into());
        self
    }

    /// Writes a histogram under these values of the labels.
    pub(crate) fn put_distribution(&mut self, labels: &[&str], distribution: &Distribution) -> &mut Self {
        for (bound, count) in distribution.cumulative() {
            let bound = bound.as_secs_f64().to_string();
            self.line("_bucket", labels, Some(&bound), count.into());
        }
        let count = Value::Whole(distribution.count());
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, Value::Seconds(distribution.seconds()));
        self.line("_count", labels, None, count);
        self
    }

    fn line(&mut self, suffix: &str, labels: &[&str], bound: Option<&str>, value: Value) {
        let Metric {
            name, labels: names, ..
        } = self.metric;
        debug_assert_eq!(names.len(), labels.len(), "{name}");
        let named = names.iter().copied().zip(labels.iter().copied());
        let pairs = named.chain(bound.map(|bound| ("le", bound)));
        // A string takes everything.
        let _ = write!(self.text, "{name}{suffix}");
        let mut opening = '{';
        for (name, value) in pairs {
            let _ = write!(self.text, "{opening}{name}=\"{}\"", Escaped(value, true));
            opening = ',';
        }
        let closing = if opening == ',' { "}" } else { "" };
        let _ = writeln!(self.text, "{closing} {value}");
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Seconds(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => value.fmt(f),
            Self::Seconds(value) => value.fmt(f),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// A text on its line; in quotes, if it is to stand in such.
struct Escaped<'a>(&'a str, bool);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, quoted) = *self;
        for character in text.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' if quoted => f.write_str("\\\"")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::metrics::Histogram;

    const COUNT: Metric = Metric {
        name: "things_total",
        kind: Kind::Counter,
        labels: &["what", "where"],
        help: "Things \"so\\called\".\nReally.",
    };
    const TIME: Metric = Metric {
        name: "thing_duration_seconds",
        kind: Kind::Histogram,
        labels: &["what"],
        help: "How long.",
    };
    const LEVEL: Metric = Metric {
        name: "things",
        kind: Kind::Gauge,
        labels: &[],
        help: "How many.",
    };

    #[test]
    fn texts_of_all_kinds_stay_on_their_line_and_in_their_quotes() {
        let mut text = Exposition::default();
        text.begin(&COUNT)
            .put(&["a\\b\"c\nd", "Größe {x},"], 7)
            .put(&["", ""], 0);
        text.begin(&LEVEL).put(&[], 0.25);
        assert_eq!(
            text.into_text(),
            "# HELP things_total Things \"so\\\\called\".\\nReally.\n\
             # TYPE things_total counter\n\
             things_total{what=\"a\\\\b\\\"c\\nd\",where=\"Größe {x},\"} 7\n\
             things_total{what=\"\",where=\"\"} 0\n\
             # HELP things How many.\n\
             # TYPE things gauge\n\
             things 0.25\n"
        );
    }

    #[test]
    fn a_histogram_has_its_buckets_its_sum_and_its_count() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(2));
        histogram.observe(Duration::from_secs(61));
        let mut text = Exposition::default();
        text.begin(&TIME)
            .put_distribution(&["x"], &[&histogram].into_iter().collect());
        let text = text.into_text();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines.len(), 19);
        for line in [
            "thing_duration_seconds_bucket{what=\"x\",le=\"0.0005\"} 0",
            "thing_duration_seconds_bucket{what=\"x\",le=\"0.0025\"} 1",
            "thing_duration_seconds_bucket{what=\"x\",le=\"60\"} 1",
            "thing_duration_seconds_bucket{what=\"x\",le=\"+Inf\"} 2",
            "thing_duration_seconds_sum{what=\"x\"} 61.002",
            "thing_duration_seconds_count{what=\"x\"} 2",
        ] {
            assert!(lines.contains(&line), "{line}: {text}");
        }
    }
}
