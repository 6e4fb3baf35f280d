//! An error with all that lies behind it, in one line.

use std::error::Error;
use std::fmt;

/// An error and its causes in one line.
pub(crate) struct Causes<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(formatter, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect to backend:80")]
    struct Connect(#[source] io::Error);

    #[test]
    fn every_cause_is_named_after_what_it_caused() {
        let error = Connect(io::Error::other("no route"));
        assert_eq!(Causes(&error).to_string(), "cannot connect to backend:80: no route");
    }
}
