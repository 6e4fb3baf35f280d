//! Log lines on their way to standard error.
//!
//! Whoever logs appends to a buffer and goes on: a stalled reader of standard error costs log lines, never requests. A
//! thread of its own writes the buffer out. What did not fit is counted, and the count is logged when there is room.
//!
//! The thread is woken by the first line only and then lets more come together: to wake it takes a system call and a
//! switch of threads, which for each request would cost more than all else about its line.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A bounded buffer of whole lines.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// The thread has reason to look again.
    wake: Condvar,
    /// Everything is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Lines that did not fit since the last [`Queue::take`].
    lost: u64,
    /// What was taken is not written yet.
    writing: bool,
    /// The thread waits for the first line.
    idle: bool,
    /// Nothing more is to be waited for.
    hurry: bool,
}

impl Queue {
    /// A queue whose lines go to `output`, for as long as the process lives.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub(super) fn to(output: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self::default());
        let writer = Arc::clone(&queue);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.write_out(output))?;
        Ok(queue)
    }

    /// Waits until all lines are written, but no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |state: &mut State| state.writing || !state.lines.is_empty();
        let mut state = self.state();
        state.hurry = true;
        self.wake.notify_one();
        // Poisoned or out of time: either way there is nothing more to wait for.
        drop(self.written.wait_timeout_while(state, patience, busy));
    }

    fn append(&self, line: &[u8]) {
        let mut state = self.state();
        if state.lines.len() + line.len() > MAX_BYTES {
            state.lost += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        let fills = state.lines.len() > MAX_BYTES / 2 && !mem::replace(&mut state.hurry, true);
        let wakes = mem::take(&mut state.idle) || fills;
        drop(state);
        if wakes {
            self.wake.notify_one();
        }
    }

    fn write_out(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        loop {
            let lost = self.take(&mut lines);
            // Standard error may be closed, and there is nowhere else to say so.
            let _ = output.write_all(&lines).and_then(|()| output.flush());
            if lost > 0 {
                tracing::warn!(lost, "log lines were lost: standard error takes them too slowly");
            }
            self.state().writing = false;
            self.written.notify_all();
        }
    }

    /// Waits for a line and a moment for more, puts them in the place of those in `lines`, and returns the number of
    /// lines lost before them.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        lines.clear();
        lines.shrink_to(KEPT_BYTES);
        let mut state = self.state();
        state.idle = state.lines.is_empty();
        let first = self.wake.wait_while(state, |state| state.lines.is_empty());
        let state = first.unwrap_or_else(PoisonError::into_inner);
        let more = self.wake.wait_timeout_while(state, GATHERING, |state| !state.hurry);
        let (mut state, _) = more.unwrap_or_else(PoisonError::into_inner);
        mem::swap(lines, &mut state.lines);
        state.writing = true;
        state.idle = false;
        state.hurry = false;
        mem::take(&mut state.lost)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two of its statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call is one line, as tracing-subscriber makes them.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// About one second of access log at 20,000 requests a second and 200 bytes a line.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How long lines come together before they are written: too short for a reader to see, and at most a hundred writes
/// a second however many requests there are.
const GATHERING: Duration = Duration::from_millis(10);

/// What an idle buffer keeps of its size.
const KEPT_BYTES: usize = 64 * 1024;

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    /// What `queue` holds.
    pub(in crate::telemetry) fn text(queue: &Queue) -> String {
        String::from_utf8(queue.state().lines.clone()).unwrap()
    }

    #[test]
    fn lines_arrive_in_order_and_flush_waits_for_them() {
        let (sender, receiver) = mpsc::channel();
        let queue = Queue::to(Output(sender)).unwrap();
        for line in [b"one\n", b"two\n"] {
            (&*queue).write_all(line).unwrap();
        }
        queue.flush(PATIENCE);
        let written: Vec<u8> = receiver.try_iter().flatten().collect();
        assert_eq!(written, b"one\ntwo\n");
    }

    #[test]
    fn a_stalled_output_costs_lines_and_no_time() {
        let (release, released) = mpsc::channel();
        let (start, started) = mpsc::channel();
        let queue = Queue::to(Stalled { start, released }).unwrap();
        queue.append(b"the line that stalls\n");
        started.recv().unwrap();
        for _ in 0..10 {
            queue.append(&vec![b'x'; MAX_BYTES / 4]);
        }
        assert_eq!(queue.state().lost, 6);
        assert_eq!(queue.state().lines.len(), MAX_BYTES);
        drop::<mpsc::Sender<()>>(release);
        queue.flush(PATIENCE);
        assert!(queue.state().lines.is_empty());
    }

    #[test]
    fn a_closed_output_is_no_reason_to_stop() {
        let queue = Queue::to(Closed).unwrap();
        for _ in 0..2 {
            queue.append(b"line\n");
            queue.flush(PATIENCE);
            assert!(queue.state().lines.is_empty());
        }
    }

    #[test]
    fn many_lines_take_few_writes_and_none_is_lost() {
        let (sender, receiver) = mpsc::channel();
        let queue = Queue::to(Output(sender)).unwrap();
        let start = Instant::now();
        thread::scope(|scope| {
            for name in 'a'..='d' {
                let queue = &queue;
                scope.spawn(move || (0..1000).for_each(|number| queue.append(format!("{name}{number}\n").as_bytes())));
            }
        });
        queue.flush(PATIENCE);
        let writes: Vec<Vec<u8>> = receiver.try_iter().collect();
        // Each write but the flushed one follows a whole pause.
        assert!(writes.len() as u128 <= start.elapsed().as_millis() / GATHERING.as_millis() + 1);
        let text = String::from_utf8(writes.concat()).unwrap();
        for name in 'a'..='d' {
            let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(name)).collect();
            let expected: Vec<String> = (0..1000).map(|number| format!("{name}{number}")).collect();
            assert_eq!(lines, expected);
        }
    }

    #[test]
    fn only_the_first_line_and_a_half_full_buffer_wake_the_thread() {
        let queue = Queue::default();
        queue.state().idle = true;
        queue.append(b"line\n");
        assert!(!queue.state().idle && !queue.state().hurry);
        queue.append(&vec![b'x'; MAX_BYTES / 2]);
        assert!(queue.state().hurry);
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Hands on what is written.
    struct Output(mpsc::Sender<Vec<u8>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Says that it is asked to write, and does not until it is released.
    struct Stalled {
        start: mpsc::Sender<()>,
        released: mpsc::Receiver<()>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.start.send(());
            let _ = self.released.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
