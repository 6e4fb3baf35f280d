//! From checks passed and failed to up and down.

use crate::proxy::upstream::settings::HealthCheck;

/// How the checks of one server have gone.
#[derive(Debug)]
pub(super) struct Tally {
    up: bool,
    /// No check has said so yet.
    is_new: bool,
    /// Checks in a row that say otherwise.
    against: u32,
}

impl Tally {
    /// A server that is taken to be up, or down, until it is asked.
    pub(super) fn of(up: bool) -> Self {
        Self {
            up,
            is_new: true,
            against: 0,
        }
    }

    /// Notes whether a check was passed; what the server is from now on, if that changes. The first check decides
    /// alone: nobody should wait for three of them to hear that a server is not there.
    pub(super) fn note(&mut self, passed: bool, settings: &HealthCheck) -> Option<bool> {
        let is_new = std::mem::replace(&mut self.is_new, false);
        if passed == self.up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let enough = if self.up { settings.fall } else { settings.rise };
        if !is_new && self.against < enough.get() {
            return None;
        }
        (self.up, self.against) = (passed, 0);
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
        let mut tally = Tally::of(true);
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
