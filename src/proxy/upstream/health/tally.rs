//! From checks passed and failed to up and down.

use crate::proxy::upstream::settings::HealthCheck;

/// How the checks of one server have gone.
#[derive(Debug, Default)]
pub(super) struct Tally {
    up: Option<bool>,
    /// Checks in a row that say otherwise.
    against: u32,
}

impl Tally {
    /// Notes whether a check was passed; what the server is from now on, if that changes. The first check decides
    /// alone: nobody should wait for three of them to hear that a server is not there.
    pub(super) fn note(&mut self, passed: bool, settings: &HealthCheck) -> Option<bool> {
        let Some(up) = self.up else {
            self.up = Some(passed);
            // Whoever starts is taken to be up.
            return (!passed).then_some(false);
        };
        if passed == up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let enough = if up { settings.fall } else { settings.rise };
        if self.against < enough.get() {
            return None;
        }
        *self = Self {
            up: Some(passed),
            against: 0,
        };
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::*;

    fn changes(checks: &[bool]) -> Vec<Option<bool>> {
        // Down after three, up after two.
        let settings = HealthCheck::of(PathAndQuery::from_static("/"));
        let mut tally = Tally::default();
        checks.iter().map(|passed| tally.note(*passed, &settings)).collect()
    }

    #[test]
    fn the_first_check_decides_alone() {
        assert_eq!(changes(&[true]), [None]);
        assert_eq!(changes(&[false, false]), [Some(false), None]);
    }

    #[test]
    fn it_takes_some_in_a_row_to_change_anything() {
        assert_eq!(
            changes(&[true, false, false, true, false, false, false, false]),
            [None, None, None, None, None, None, Some(false), None]
        );
        assert_eq!(
            changes(&[false, true, false, true, true, true]),
            [Some(false), None, None, None, Some(true), None]
        );
    }
}
