//! Events as lines: one writer for all of them, which never makes a request wait.
//!
//! Owns format, level and queue. Access lines share the writer and nothing else: see
//! [`access`](super::access).

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Lines that wait for the writer; a line more is dropped and counted. At 400 bytes a line that is 6.5 MB.
const QUEUED_LINES: usize = 16 * 1024;

/// `--log-level`: how much this crate says. Everything else says warnings at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevel(LevelFilter);

impl Default for LogLevel {
    fn default() -> Self {
        Self(LevelFilter::INFO)
    }
}

/// A text that is none of the words it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is none of {wanted}")]
pub struct UnknownWord {
    found: String,
    wanted: &'static str,
}

impl FromStr for LogLevel {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let level = match text.to_ascii_lowercase().as_str() {
            "off" => LevelFilter::OFF,
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => return Err(UnknownWord { found: text.to_owned(), wanted: "off, error, warn, info, debug, trace" }),
        };
        Ok(Self(level))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// `--log-format`: how an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For a person at a terminal.
    Text,
}

impl FromStr for LogFormat {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(UnknownWord { found: text.to_owned(), wanted: "json, text" }),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Text => "text",
        })
    }
}

/// The lines' way out. To be kept until the end of `main`: when it goes, what is queued is written.
#[derive(Debug)]
pub struct Log {
    lines: Lines,
    /// Dropped last of all: it waits for the writer, at most a second.
    _writer: WorkerGuard,
}

impl Log {
    /// Writes lines to `out`, on a thread of their own.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        let (queue, writer) =
            NonBlockingBuilder::default().buffered_lines_limit(QUEUED_LINES).thread_name("log").lossy(true).finish(out);
        Self { lines: Lines(queue), _writer: writer }
    }

    /// The queue, for access lines and for the count of what was dropped.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// What turns events into lines.
    pub fn subscriber(&self, level: LogLevel, format: LogFormat) -> impl tracing::Subscriber + Send + Sync + use<> {
        let layer = layer().with_writer(self.lines.0.clone()).with_ansi(false);
        let layer = match format {
            LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
            LogFormat::Text => layer.boxed(),
        };
        Registry::default().with(layer.with_filter(filter(level)))
    }

    /// Makes every event of the process a line from now on. Fails where something else has done so.
    pub fn install(&self, level: LogLevel, format: LogFormat) -> Result<(), SetGlobalDefaultError> {
        tracing::subscriber::set_global_default(self.subscriber(level, format))
    }
}

/// This crate at the level that was asked for, all others at warn, whatever was asked for: a library's
/// debug lines hold headers and bodies.
fn filter(level: LogLevel) -> Targets {
    let others = level.0.min(LevelFilter::WARN);
    Targets::new().with_default(others).with_target(env!("CARGO_CRATE_NAME"), level.0)
}

/// The queue of lines. A handle.
#[derive(Debug, Clone)]
pub struct Lines(NonBlocking);

impl Lines {
    /// Queues a line, with its newline. Never waits; a line that finds the queue full is dropped.
    pub(super) fn push(&self, line: &[u8]) {
        // Lossy: it cannot fail, it counts.
        let _ = self.0.clone().write_all(line);
    }

    /// How many lines were dropped since the start, for
    /// [`Metrics::log_lines_dropped`](super::metrics::Metrics::log_lines_dropped).
    pub fn dropped(&self) -> u64 {
        let counter: ErrorCounter = self.0.error_counter();
        counter.dropped_lines() as u64
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, mpsc};

    use super::*;

    /// A place to write to and read back from.
    #[derive(Debug, Clone, Default)]
    pub(in crate::telemetry) struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Sink {
        /// What was written. The log must be gone by now.
        pub(in crate::telemetry) fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("is text")
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What these events become.
    fn logged(level: &str, format: LogFormat, events: impl FnOnce()) -> String {
        let sink = Sink::default();
        let log = Log::to(sink.clone());
        let level = level.parse().expect("is a level");
        tracing::subscriber::with_default(log.subscriber(level, format), events);
        drop(log);
        sink.text()
    }

    #[test]
    fn an_event_is_one_json_object_a_line() {
        let text = logged("info", LogFormat::Json, || tracing::info!(file = "a\n\"b", "a file\nis broken"));
        let [line] = text.lines().collect::<Vec<_>>()[..] else { panic!("one line: {text}") };
        let line: serde_json::Value = serde_json::from_str(line).expect("is JSON");
        assert_eq!((&line["message"], &line["file"]), (&"a file\nis broken".into(), &"a\n\"b".into()));
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].is_string() && line["target"].is_string());
    }

    #[test]
    fn other_crates_say_warnings_at_most_whatever_the_level() {
        let events = || {
            tracing::debug!(target: "hyper", "a header");
            tracing::warn!(target: "hyper", "a warning");
            tracing::debug!("ours");
            tracing::trace!("too much");
        };
        let text = logged("debug", LogFormat::Text, events);
        assert!(text.contains("ours") && text.contains("a warning"), "{text}");
        assert!(!text.contains("a header") && !text.contains("too much"), "{text}");
        assert_eq!(logged("off", LogFormat::Text, events), "");
    }

    #[test]
    fn words_are_read_and_others_named() {
        assert_eq!("WARN".parse::<LogLevel>().expect("is one").to_string(), "warn");
        let error = "loud".parse::<LogLevel>().expect_err("is none");
        assert_eq!(error.to_string(), "`loud` is none of off, error, warn, info, debug, trace");
        assert_eq!("text".parse(), Ok(LogFormat::Text));
        assert!("xml".parse::<LogFormat>().is_err());
    }

    /// Blocks in its first write until it is let go.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_writer_that_is_stuck_costs_lines_and_no_time() {
        let (let_go, stuck) = mpsc::channel();
        let log = Log::to(Stuck(stuck));
        for _ in 0..QUEUED_LINES + 100 {
            log.lines().push(b"line\n");
        }
        // One more may be in the writer's hands.
        assert!((99..=100).contains(&log.lines().dropped()), "{}", log.lines().dropped());
        drop(let_go);
    }
}
