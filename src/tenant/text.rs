//! From bytes to a YAML value: bounded, merged, laid over the defaults. And from a value to the
//! file's types, with every problem found at once.

use serde_yaml::{Mapping, Value};

use super::locate::{Index, join};
use super::problem::{Place, Problem, Severity};

/// A tenant file has a few hundred lines; more is an accident.
pub(super) const LARGEST: usize = 256 * 1024;

/// libyaml's time grows with the square of what is open at once.
const MOST_BRACKETS: usize = 1_000;

/// More type errors than this in one file are not looked for.
const MOST_PROBLEMS: usize = 50;

/// A text and what to call it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// The file's name, for problems.
    pub(super) file: &'a str,
    /// Its text, without a byte order mark.
    pub(super) text: &'a str,
}

impl<'a> Source<'a> {
    /// UTF-8 within bounds, or the reason why not.
    pub(super) fn of(file: &'a str, bytes: &'a [u8]) -> Result<Self, Problem> {
        let whole = |message: &str| problem(file, None, "", message);
        if bytes.len() > LARGEST {
            return Err(whole("the file is larger than 256 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| whole("the file is not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > MOST_BRACKETS {
            return Err(whole("the file opens more than 1,000 brackets"));
        }
        Ok(Self { file, text })
    }

    /// The value, with `<<` merged. An empty file is an empty map.
    pub(super) fn value(&self) -> Result<Mapping, Vec<Problem>> {
        let parsed = serde_yaml::from_str::<Value>(self.text).and_then(|mut value| value.apply_merge().map(|()| value));
        match parsed {
            Ok(Value::Mapping(map)) => Ok(map),
            Ok(Value::Null) => Ok(Mapping::new()),
            Ok(_) => {
                Err(vec![problem(self.file, Some(Place { line: 1, column: 1 }), "", "the file is not a map of keys")])
            }
            Err(error) => Err(self.why_not_yaml(&error)),
        }
    }

    fn why_not_yaml(&self, error: &serde_yaml::Error) -> Vec<Problem> {
        let index = Index::of(self.text);
        if !index.duplicates.is_empty() {
            let twice = |(path, first, second): &(String, Place, Place)| {
                problem(self.file, Some(*second), path, &format!("given twice (first on line {})", first.line))
            };
            return index.duplicates.iter().map(twice).collect();
        }
        let place = error.location().map(|at| Place {
            line: u32::try_from(at.line()).unwrap_or(u32::MAX),
            column: u32::try_from(at.column()).unwrap_or(u32::MAX),
        });
        let place = place.filter(|place| place.line > 0).or(index.broken_at).unwrap_or(Place { line: 1, column: 1 });
        let mut problem = problem(self.file, Some(place), "", syntax(&error.to_string()));
        if self.text.lines().nth(place.line as usize - 1).is_some_and(|line| line.contains('\t')) {
            problem.hint = Some("YAML is indented by spaces; there is a tab in this line".into());
        }
        vec![problem]
    }
}

/// The parser's reason in fixed words: its own may quote the text.
fn syntax(message: &str) -> &'static str {
    const REASONS: [(&str, &str); 9] = [
        ("more than one document", "the file holds more than one YAML document"),
        ("repetition limit", "aliases repeat too much"),
        ("recursion limit", "the nesting is too deep"),
        ("unknown anchor", "an alias names an anchor that is not there"),
        ("tab", "a tab stands where YAML wants spaces"),
        (
            "mapping values are not allowed",
            "this is not YAML: a `:` stands where none may, often a missing quote or a wrong indentation",
        ),
        (
            "did not find expected",
            "this is not YAML: something is missing, often a bracket, a `-` or the right indentation",
        ),
        ("could not find expected ':'", "this is not YAML: a `:` is missing"),
        ("merge", "`<<` takes a map, or a list of maps"),
    ];
    REASONS.into_iter().find(|(part, _)| message.contains(part)).map_or("this is not YAML", |(_, reason)| reason)
}

/// Lays `over` on `under`: maps merge, lists and scalars replace. A key with nothing behind it is
/// absent and hides nothing.
pub(super) fn merge(under: &Mapping, over: &Mapping) -> Mapping {
    let mut merged = over.clone();
    for (key, below) in under {
        match (merged.get_mut(key), below) {
            (Some(Value::Mapping(above)), Value::Mapping(below)) => *above = merge(below, above),
            (Some(above @ Value::Null), _) => *above = below.clone(),
            (Some(_), _) => {}
            (None, _) => {
                merged.insert(key.clone(), below.clone());
            }
        }
    }
    merged
}

/// What a value says in a type, and everything that is wrong with it: each path with its message.
pub(super) struct Typed<T> {
    pub(super) file: Option<T>,
    pub(super) problems: Vec<Finding>,
}

/// A problem by path; the place is looked up later.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) path: String,
    /// Whether the key is meant, and not what stands behind it.
    pub(super) is_key: bool,
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Finding {
    pub(super) fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), is_key: false, severity: Severity::Error, message: message.into(), hint: None }
    }

    pub(super) fn with(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Reads the value as `T`. A type error is noted, its value taken out, and the rest read again, so
/// that all of them are found. `vocabulary` gives the keys that may stand at a path.
pub(super) fn typed<T>(value: &Mapping, vocabulary: &dyn Fn(&str) -> Vec<String>) -> Typed<T>
where
    T: serde::de::DeserializeOwned,
{
    let mut value = Value::Mapping(value.clone());
    let mut problems = Vec::new();
    let mut seen = ahash::AHashSet::new();
    loop {
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(value.clone(), &mut track);
        let result: Result<T, _> = serde_ignored::deserialize(tracked, |path| unknown.push(path_of(&path)));
        match result {
            Ok(file) => {
                problems.extend(
                    unknown.into_iter().filter(|path| !is_extension(path)).map(|path| unknown_key(path, vocabulary)),
                );
                return Typed { file: Some(file), problems };
            }
            Err(error) => {
                let path = track.path().to_string();
                let path = if path == "." { String::new() } else { path };
                let found = find(&value, &path).cloned();
                if seen.insert(path.clone()) {
                    problems.push(type_error(path.clone(), found.as_ref(), &error.to_string()));
                }
                if !blank(&mut value, &path) || problems.len() >= MOST_PROBLEMS {
                    return Typed { file: None, problems };
                }
            }
        }
    }
}

/// `clients.web.hosts[0]`, without the steps that serde takes through `Option` and newtypes.
fn path_of(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", path_of(parent)),
        Path::Map { parent, key } => join(&path_of(parent), key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => path_of(parent),
    }
}

/// `x-…` keys are the operator's own.
fn is_extension(path: &str) -> bool {
    path.rsplit('.').next().is_some_and(|key| key.starts_with("x-"))
}

fn unknown_key(path: String, vocabulary: &dyn Fn(&str) -> Vec<String>) -> Finding {
    let (parent, key) = path.rsplit_once('.').unwrap_or(("", &path));
    let nearest = nearest(key, &vocabulary(parent));
    let mut finding = Finding::error(path.clone(), "unknown key");
    finding.is_key = true;
    finding.hint = nearest.map(|word| format!("did you mean `{word}`?"));
    finding
}

/// The word that was probably meant.
pub(super) fn nearest(word: &str, words: &[String]) -> Option<String> {
    let within = (word.len() / 3).clamp(1, 3);
    let distance = |candidate: &&String| strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
    words.iter().min_by_key(distance).filter(|candidate| distance(candidate) <= within).cloned()
}

/// serde's message ends with what was expected, in words of ours; what it found is told by kind.
fn type_error(path: String, found: Option<&Value>, message: &str) -> Finding {
    let Some((_, expected)) = message.rsplit_once("expected ") else {
        return Finding::error(path, "this cannot be read");
    };
    if message.starts_with("a bare number") {
        return Finding::error(path, "a bare number has no unit").hint(format!("write it {expected}"));
    }
    let kind = found.map_or("this", kind);
    let finding = Finding::error(path, format!("{kind}, expected {expected}"));
    let words: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    match found.and_then(Value::as_str).and_then(|word| nearest(word, &words)) {
        Some(word) if message.starts_with("unknown variant") => finding.hint(format!("did you mean `{word}`?")),
        _ => finding,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "this text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a map",
        Value::Tagged(_) => "a tagged value",
    }
}

/// The value at a path.
fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    steps(path).try_fold(value, |at, step| match (at, step) {
        (Value::Mapping(map), Step::Key(key)) => map.get(key),
        (Value::Sequence(list), Step::Index(index)) => list.get(index),
        _ => None,
    })
}

/// Makes the value at a path null, which is absent everywhere but in a list: where it is null
/// already, what holds it goes. `false`: there is nothing left to take out.
fn blank(value: &mut Value, path: &str) -> bool {
    let mut path = path;
    while !path.is_empty() {
        let mut at = Some(&mut *value);
        for step in steps(path) {
            at = match (at, step) {
                (Some(Value::Mapping(map)), Step::Key(key)) => map.get_mut(key),
                (Some(Value::Sequence(list)), Step::Index(index)) => list.get_mut(index),
                _ => None,
            };
        }
        match at {
            Some(at) if !at.is_null() => {
                *at = Value::Null;
                return true;
            }
            _ => path = path.rfind(['.', '[']).and_then(|end| path.get(..end)).unwrap_or_default(),
        }
    }
    false
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split('.').filter(|part| !part.is_empty()).flat_map(|part| {
        let (key, indexes) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
        let indexes = indexes.split('[').filter_map(|index| index.trim_end_matches(']').parse().ok()).map(Step::Index);
        std::iter::once(Step::Key(key)).filter(|step| !matches!(step, Step::Key(""))).chain(indexes)
    })
}

/// A problem of a file.
pub(super) fn problem(file: &str, place: Option<Place>, path: &str, message: &str) -> Problem {
    Problem {
        file: file.into(),
        place,
        path: path.into(),
        severity: Severity::Error,
        message: message.into(),
        hint: None,
    }
}
