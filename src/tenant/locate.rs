//! Where in a text each key stands. Made only where there is something to report.

use ahash::AHashMap;
use saphyr_parser::{Event, Parser, Span};

use super::problem::Place;

/// Deeper nesting is not looked into.
const DEEPEST: usize = 64;

/// More nodes are not looked into.
const MOST_NODES: usize = 20_000;

/// More keys given twice are not listed.
const MOST_DUPLICATES: usize = 50;

/// The places of a text, by key path: `clients.web.redirect_urls[0]`.
#[derive(Debug, Default)]
pub(super) struct Index {
    keys: AHashMap<String, Place>,
    values: AHashMap<String, Place>,
    /// Keys given more than once in one map: path, first place, second place.
    pub(super) duplicates: Vec<(String, Place, Place)>,
    /// Where the text stops being YAML.
    pub(super) broken_at: Option<Place>,
    /// Scalars by path, for the lenient reading of a text that stops halfway.
    pub(super) scalars: Vec<(String, String)>,
}

/// A map or a list that is being read.
enum Frame {
    Map { path: String, key: Option<String> },
    List { path: String, next: usize },
}

impl Index {
    /// Reads as much of the text as is YAML.
    pub(super) fn of(text: &str) -> Self {
        let mut index = Self::default();
        let mut stack: Vec<Frame> = Vec::new();
        for (count, event) in Parser::new_from_str(text).enumerate() {
            match event {
                // A second document is another matter, which the parser of values tells.
                Ok((Event::DocumentEnd, _)) => break,
                Ok((event, span)) if count < MOST_NODES && stack.len() <= DEEPEST => {
                    index.event(&mut stack, event, place(span));
                }
                Ok(_) => break,
                Err(error) => {
                    let marker = error.marker();
                    index.broken_at = Some(at(marker.line(), marker.col()));
                    break;
                }
            }
        }
        index
    }

    /// The place of a key's value, of the key itself, or of the nearest thing above it that stands in
    /// the text (a key that is missing, or that came in by an anchor or from the defaults).
    pub(super) fn value(&self, path: &str) -> Place {
        self.values.get(path).copied().unwrap_or_else(|| self.key(path))
    }

    /// The place of a key, or of the nearest thing above it.
    pub(super) fn key(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.keys.get(path).or_else(|| self.values.get(path)) {
                return *place;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None => return Place { line: 1, column: 1 },
            }
        }
    }

    /// The keys right below a path.
    pub(super) fn children(&self, path: &str) -> Vec<&str> {
        let below = |key: &'_ String| -> Option<usize> {
            let rest = key.strip_prefix(path)?.strip_prefix('.')?;
            (!rest.contains(['.', '['])).then(|| key.len() - rest.len())
        };
        self.keys.keys().filter_map(|key| below(key).and_then(|start| key.get(start..))).collect()
    }

    /// Whether the text itself has the key.
    pub(super) fn has(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    fn event(&mut self, stack: &mut Vec<Frame>, event: Event<'_>, place: Place) {
        match event {
            Event::Scalar(text, ..) => {
                if let Some(Frame::Map { key: key @ None, path }) = stack.last_mut() {
                    let path = join(path, &text);
                    *key = Some(path.clone());
                    if let Some(first) = self.keys.get(&path).copied() {
                        // What stands below a key given twice is no news.
                        let is_below = |(above, ..): &(String, Place, Place)| path.starts_with(above.as_str());
                        if self.duplicates.len() < MOST_DUPLICATES && !self.duplicates.iter().any(is_below) {
                            self.duplicates.push((path, first, place));
                        }
                    } else {
                        self.keys.insert(path, place);
                    }
                    return;
                }
                let path = self.begin_value(stack, place);
                self.scalars.push((path, text.into_owned()));
            }
            Event::Alias(_) => {
                // As a key it cannot be named; as a value its content stands where the anchor does.
                self.begin_value(stack, place);
            }
            Event::MappingStart(..) => {
                let path = self.begin_value(stack, place);
                stack.push(Frame::Map { path, key: None });
            }
            Event::SequenceStart(..) => {
                let path = self.begin_value(stack, place);
                stack.push(Frame::List { path, next: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                stack.pop();
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
    }

    /// The path of the value that begins now, noted with its place.
    fn begin_value(&mut self, stack: &mut [Frame], place: Place) -> String {
        let path = match stack.last_mut() {
            None => String::new(),
            Some(Frame::Map { path, key }) => key.take().unwrap_or_else(|| join(path, "?")),
            Some(Frame::List { path, next }) => {
                let item = format!("{path}[{next}]");
                *next += 1;
                item
            }
        };
        self.values.entry(path.clone()).or_insert(place);
        path
    }
}

/// The path of a key below another.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn place(span: Span) -> Place {
    at(span.start.line(), span.start.col())
}

/// Lines come counted from 1 and columns from 0, both in characters.
fn at(line: usize, column: usize) -> Place {
    Place { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column + 1).unwrap_or(u32::MAX) }
}
