//! What one client may have.

use std::num::{NonZeroU32, NonZeroUsize};

use super::one;
use crate::config::error::{Fault, Problem};
use crate::config::layer::Given;
use crate::config::precedence::Layers;
use crate::config::value::Ceiling;
use crate::proxy::settings::{ClientLimits, RequestRate};

/// Resolves what one client may have of the process.
pub(super) fn client_limits(said: &mut Layers) -> ClientLimits {
    let connections = one(said, |raw| &raw.limits.connections_per_client, Ceiling::Off);
    let handshakes = one(said, |raw| &raw.limits.handshakes_per_second, Ceiling::Off);
    ClientLimits {
        connections: connections
            .at()
            .map(|most| NonZeroUsize::try_from(most).unwrap_or(NonZeroUsize::MAX)),
        requests: requests(said),
        handshakes_per_second: handshakes.at(),
    }
}

fn requests(said: &mut Layers) -> Option<RequestRate> {
    let per_second = said.one(|raw| &raw.limits.requests_per_second);
    let burst = said.one(|raw| &raw.limits.requests_burst);
    rate(per_second, burst, &mut said.faults)
}

/// So many requests; `None` for any number.
pub(super) fn rate(
    per_second: Option<Given<Ceiling>>,
    burst: Option<Given<NonZeroU32>>,
    faults: &mut Vec<Fault>,
) -> Option<RequestRate> {
    let per_second = per_second.and_then(|given| given.value.at());
    if let (None, Some(burst)) = (per_second, &burst) {
        let problem = Problem::new("a burst of what is not limited").hint("give requests_per_second with it");
        faults.push(problem.at(burst.place.clone()));
    }
    let per_second = per_second?;
    // A page with its parts comes at once, and then nothing for a while: ten seconds' worth.
    let usual = NonZeroU32::new(10).map_or(per_second, |seconds| per_second.saturating_mul(seconds));
    Some(RequestRate {
        per_second,
        burst: burst.map_or(usual, |given| given.value),
    })
}
