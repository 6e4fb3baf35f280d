//! The connections to servers that one client connection has for itself.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use crate::proxy::upstream::{BackendId, Pin};

/// Pins of one client connection, above which the oldest is closed. A client has no more of them than there are
/// backends; a trusted proxy has that many for each client that it speaks for.
const MOST: usize = 64;

/// The connections to servers that one client connection has for itself, each of which holds its place among the
/// connections to servers that the process may have.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Pins {
    /// Mostly one: a list is searched faster than a hash is made.
    pins: RefCell<Vec<(Whose, Rc<Pin>)>>,
}

/// What makes a pin another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Whose {
    /// Where it leads; not where that stands in the configuration, which may come to mean another.
    pub(in crate::proxy) backend: BackendId,
    /// For whom the request was sent. It changes on one connection only where that is a trusted proxy's, which may put
    /// requests of several clients on it.
    pub(in crate::proxy) client: Option<IpAddr>,
}

impl Pins {
    /// The pin, if there is one.
    pub(super) fn find(&self, whose: Whose) -> Option<Rc<Pin>> {
        let pins = self.pins.borrow();
        let (_, pin) = pins.iter().find(|(of, _)| *of == whose)?;
        Some(Rc::clone(pin))
    }

    /// The pin, made where there is none.
    pub(super) fn find_or_make(&self, whose: Whose) -> Rc<Pin> {
        self.find(whose).unwrap_or_else(|| {
            let mut pins = self.pins.borrow_mut();
            if pins.len() == MOST {
                let (_, oldest) = pins.remove(0);
                oldest.close();
            }
            let pin = Rc::<Pin>::default();
            pins.push((whose, Rc::clone(&pin)));
            pin
        })
    }

    /// Closes all of them, those in use as soon as they are not: the client has gone.
    pub(in crate::proxy) fn close(&self) {
        for (_, pin) in self.pins.borrow_mut().drain(..) {
            pin.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_for_one_backend_and_one_client() {
        let pins = Pins::default();
        let whose = |backend, last| Whose {
            backend: BackendId::example(backend),
            client: Some(IpAddr::from([192, 0, 2, last])),
        };
        let pin = pins.find_or_make(whose(0, 1));
        assert!(Rc::ptr_eq(&pin, &pins.find_or_make(whose(0, 1))));
        assert!(pins.find(whose(1, 1)).is_none() && pins.find(whose(0, 2)).is_none());
        assert!(!Rc::ptr_eq(&pin, &pins.find_or_make(whose(0, 2))));
    }

    #[test]
    fn of_too_many_the_oldest_goes() {
        let pins = Pins::default();
        let whose = |number: usize| Whose {
            backend: BackendId::example(number as u64),
            client: None,
        };
        for backend in 0..=MOST {
            pins.find_or_make(whose(backend));
        }
        assert!(pins.find(whose(0)).is_none());
        assert!((1..=MOST).all(|backend| pins.find(whose(backend)).is_some()));
    }
}
