//! One look at the files: what they hold, and what would be served of it.

use rustls::pki_types::UnixTime;

use super::client_auth::{self, PreparedClientAuth};
use super::prepare::{self, Prepared};
use super::served::Generation;
use super::surveyor::Surveyor;
use super::tickets::{self, PreparedTickets};
use super::{Clock, Lack, Plan};
use crate::certs::Look;
use crate::tls;

/// Why files are read, or what is known of them judged anew.
#[derive(Clone, Debug)]
pub(super) struct Occasion {
    /// Where to look for changes.
    pub(super) look: Look,
    /// Judge anew even if nothing has changed.
    pub(super) is_due: bool,
    /// Tell what chains lack, so that it can be looked for.
    pub(super) repairs: bool,
    /// Let what is worse take the place of what is served.
    pub(super) force: bool,
    /// The present instant.
    pub(super) at: UnixTime,
}

/// What is to be served, what is broken around it, and what it lacks.
pub(super) struct Read {
    pub(super) prepared: Prepared,
    pub(super) client_auth: PreparedClientAuth,
    pub(super) tickets: PreparedTickets,
    pub(super) problems: Vec<String>,
    pub(super) lack: Option<Lack>,
}

/// Reads what has changed and prepares what is to be served; `None` where nothing changes. Touches nothing else, and may take as long as a slow file system does.
/// `own` are the keys of session tickets where none are shared, and `clock` tells others how old a ticket is.
pub(super) fn read(
    surveyor: &mut Surveyor,
    plan: &Plan,
    previous: &Generation,
    occasion: &Occasion,
    (own, clock): (&tls::Tickets, &Clock),
) -> Option<Read> {
    let Occasion {
        look,
        is_due,
        force,
        repairs,
        at,
    } = occasion;
    let has_changed = surveyor.look(&plan.certificates, &plan.reload, look);
    if !(has_changed || *is_due || *force) {
        return None;
    }
    let survey = surveyor.survey(*at);
    let problems = survey.all_problems();
    let lack = repairs.then(|| surveyor.lack(&survey, *at)).flatten();
    let client_auth = client_auth::again(&plan.client_auth, &survey.client_trust, &previous.client_auth, *at);
    let tickets = tickets::again(survey.tickets.as_ref(), &previous.tickets, own, clock, *at);
    let prepared = prepare::again(survey, surveyor, &previous.served, &plan.reload, *force, *at);
    Some(Read {
        prepared,
        client_auth,
        tickets,
        problems,
        lack,
    })
}
