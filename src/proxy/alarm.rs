//! A deadline that moves with every request, on a timer that hardly ever moves.
//!
//! Registering a timer costs more than reading a clock. A deadline that only ever moves later needs no new
//! registration: the timer fires at the old one, is found to be early and set again. So a busy connection touches the
//! timer wheel once per timeout instead of once per request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

/// A timer that is made when first needed and reused afterwards.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready once `deadline` has passed; the deadline may differ from call to call.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        loop {
            if deadline < sleep.deadline() {
                sleep.as_mut().reset(deadline);
            }
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_goes_off_at_the_latest_deadline_it_was_given() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut alarm = Alarm::default();
            let start = Instant::now();
            let (early, late) = (start + Duration::from_millis(2), start + Duration::from_millis(6));
            poll_fn(|context| {
                assert!(alarm.poll(context, early).is_pending());
                Poll::Ready(())
            })
            .await;
            poll_fn(|context| alarm.poll(context, late)).await;
            assert!(Instant::now() >= late);
        });
    }

    #[test]
    fn a_deadline_can_be_brought_forward() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut alarm = Alarm::default();
            let start = Instant::now();
            poll_fn(|context| {
                assert!(alarm.poll(context, start + Duration::from_secs(3600)).is_pending());
                Poll::Ready(())
            })
            .await;
            poll_fn(|context| alarm.poll(context, start + Duration::from_millis(1))).await;
        });
    }
}
