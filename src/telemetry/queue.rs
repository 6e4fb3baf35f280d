//! Log lines on their way to where they are kept.
//!
//! Whoever logs appends to a buffer and goes on: a stalled reader of standard error, or a disk that does not answer,
//! costs log lines, never requests. A thread of its own writes the buffer out. What did not fit is counted, and the count
//! is logged when there is room.
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
    /// The output is to be opened anew.
    reopen: bool,
    /// No more lines come.
    closed: bool,
}

impl State {
    fn has_work(&self) -> bool {
        !self.lines.is_empty() || self.reopen
    }
}

/// What was taken for the output, beside the lines.
struct Taken {
    lost: u64,
    reopen: bool,
    ended: bool,
}

/// Where lines are kept.
pub(super) trait Output: Send + 'static {
    /// Takes whole lines. What goes wrong is told by whoever knows where else to say so.
    fn write(&mut self, lines: &[u8]);

    /// Says that the queue had no room for this many lines.
    fn say_lost(&mut self, count: u64);

    /// Opens anew what may have been renamed.
    fn reopen(&mut self) {}
}

impl Queue {
    /// A queue whose lines go to `output`, until it is [closed](Self::close) or the process ends.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub(super) fn to(thread: &str, output: impl Output) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self::default());
        let writer = Arc::clone(&queue);
        thread::Builder::new()
            .name(thread.to_owned())
            .spawn(move || writer.write_out(output))?;
        Ok(queue)
    }

    /// Waits until all lines are written, but no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |state: &mut State| state.writing || state.has_work();
        let mut state = self.state();
        state.hurry = true;
        self.wake.notify_one();
        // Poisoned or out of time: either way there is nothing more to wait for.
        drop(self.written.wait_timeout_while(state, patience, busy));
    }

    /// Has the output opened anew, once the lines before are written.
    pub(super) fn reopen(&self) {
        let mut state = self.state();
        (state.reopen, state.hurry) = (true, true);
        drop(state);
        self.wake.notify_one();
    }

    /// Ends the thread, once every line is written.
    pub(super) fn close(&self) {
        let mut state = self.state();
        (state.closed, state.hurry) = (true, true);
        drop(state);
        self.wake.notify_one();
    }

    /// Adds a whole line, or counts it as lost where there is no room.
    pub(super) fn append(&self, line: &[u8]) {
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

    fn write_out(&self, mut output: impl Output) {
        let mut lines = Vec::new();
        loop {
            let taken = self.take(&mut lines);
            if !lines.is_empty() {
                output.write(&lines);
            }
            if taken.lost > 0 {
                output.say_lost(taken.lost);
            }
            if taken.reopen {
                output.reopen();
            }
            self.state().writing = false;
            self.written.notify_all();
            if taken.ended {
                return;
            }
        }
    }

    /// Waits for work and a moment for more lines, and puts them in the place of those in `lines`.
    fn take(&self, lines: &mut Vec<u8>) -> Taken {
        lines.clear();
        lines.shrink_to(KEPT_BYTES);
        let mut state = self.state();
        state.idle = state.lines.is_empty();
        let first = self.wake.wait_while(state, |state| !state.has_work() && !state.closed);
        let state = first.unwrap_or_else(PoisonError::into_inner);
        let more = self.wake.wait_timeout_while(state, GATHERING, |state| !state.hurry);
        let (mut state, _) = more.unwrap_or_else(PoisonError::into_inner);
        mem::swap(lines, &mut state.lines);
        state.writing = true;
        state.idle = false;
        // Closing stays: what comes after it is written at once, and ends the thread.
        state.hurry = state.closed;
        Taken {
            lost: mem::take(&mut state.lost),
            reopen: mem::take(&mut state.reopen),
            ended: state.closed,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two of its statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Standard error, in tests whatever else can be written to.
impl<W: Write + Send + 'static> Output for W {
    fn write(&mut self, lines: &[u8]) {
        // It may be closed, and there is nowhere else to say so.
        let _ = self.write_all(lines).and_then(|()| self.flush());
    }

    fn say_lost(&mut self, count: u64) {
        tracing::warn!(
            lost = count,
            "log lines were lost: standard error takes them too slowly"
        );
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
        let queue = Queue::to("test", Sink(sender)).unwrap();
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
        let queue = Queue::to("test", Stalled { start, released }).unwrap();
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
        let queue = Queue::to("test", Closed).unwrap();
        for _ in 0..2 {
            queue.append(b"line\n");
            queue.flush(PATIENCE);
            assert!(queue.state().lines.is_empty());
        }
    }

    #[test]
    fn many_lines_take_few_writes_and_none_is_lost() {
        let (sender, receiver) = mpsc::channel();
        let queue = Queue::to("test", Sink(sender)).unwrap();
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

    #[test]
    fn the_output_is_opened_anew_behind_the_lines_before_and_closed_behind_the_last() {
        let (sender, receiver) = mpsc::channel();
        let queue = Queue::to("test", Told(sender)).unwrap();
        queue.append(b"one\n");
        queue.reopen();
        queue.flush(PATIENCE);
        queue.append(b"two\n");
        queue.close();
        // The thread drops its end of the channel with the output.
        let told: Vec<String> = receiver.iter().collect();
        assert_eq!(told, ["one\n", "reopened", "two\n"]);
    }

    #[test]
    fn an_idle_output_is_opened_anew_too() {
        let (sender, receiver) = mpsc::channel();
        let queue = Queue::to("test", Told(sender)).unwrap();
        queue.reopen();
        queue.close();
        assert_eq!(receiver.iter().collect::<String>(), "reopened");
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Hands on what is written.
    struct Sink(mpsc::Sender<Vec<u8>>);

    impl Write for Sink {
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

    /// Tells what it is asked for.
    struct Told(mpsc::Sender<String>);

    impl Output for Told {
        fn write(&mut self, lines: &[u8]) {
            self.0.send(String::from_utf8_lossy(lines).into_owned()).unwrap();
        }

        fn say_lost(&mut self, count: u64) {
            self.0.send(format!("lost {count}")).unwrap();
        }

        fn reopen(&mut self) {
            self.0.send("reopened".to_owned()).unwrap();
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
