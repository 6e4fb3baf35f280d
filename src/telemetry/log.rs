//! The log subscriber: human on a terminal, JSON otherwise, always on standard error.

/// What the operator says about logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How a line looks.
    pub format: Format,
    /// A filter in the syntax of `tracing_subscriber::EnvFilter`, such as `info` or `info,fullchain::reload=debug`.
    pub level: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}
