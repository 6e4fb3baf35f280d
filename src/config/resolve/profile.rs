//! What a profile sets: the defaults of a backend whose servers are of a kind.

use crate::config::choices::Profile;

/// The defaults that differ by profile. Whatever a backend says by itself goes before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) legacy_response_parser: bool,
    pub(super) http09_responses: bool,
}

impl From<Profile> for Defaults {
    fn from(profile: Profile) -> Self {
        let is_legacy = profile == Profile::Legacy;
        Self {
            legacy_response_parser: is_legacy,
            http09_responses: is_legacy,
        }
    }
}
