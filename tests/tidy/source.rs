//! Reads a source file: its text with comments and strings blanked, and the paths it names.

/// A source file, read.
pub(crate) struct Source {
    /// Path below the root, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// The same with comments and strings blanked, line by line.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        Self { code: blank(&text), path, text }
    }

    /// Everything that follows `crate::` with its line: `tenant::model`, also out of groups.
    pub(crate) fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            let before = self.code[..at].chars().next_back();
            if before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == '$') {
                continue;
            }
            let line = self.code[..at].matches('\n').count() + 1;
            let rest = &self.code[at + "crate::".len()..];
            for path in expand(rest) {
                found.push((line, path));
            }
        }
        found
    }

    /// The lines before the file's own tests.
    pub(crate) fn lines_before_tests(&self) -> usize {
        self.text.lines().take_while(|line| *line != "#[cfg(test)]").count()
    }
}

/// `a::b::c;` is one path; `{a, b::{c, d}}` is three.
fn expand(rest: &str) -> Vec<String> {
    let rest = rest.trim_start();
    let Some(group) = rest.strip_prefix('{') else {
        let end = rest.find(|it: char| !(it.is_alphanumeric() || it == '_' || it == ':')).unwrap_or(rest.len());
        let (path, after) = rest.split_at(end);
        let path = path.trim_end_matches(':');
        return if after.starts_with('{') {
            expand(after).into_iter().map(|tail| format!("{path}::{tail}")).collect()
        } else {
            vec![path.to_owned()]
        };
    };
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.into_iter().filter(|member| !member.trim().is_empty()).flat_map(expand).collect()
}

/// Comments and strings become spaces; line ends stay, so that lines keep their numbers.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if rest.starts_with('"') {
            string(rest)
        } else {
            letter_literal(rest).unwrap_or_default()
        };
        if skip == 0 {
            let letter = rest.chars().next().unwrap();
            out.push(letter);
            at += letter.len_utf8();
        } else {
            out.extend(rest[..skip].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
            at += skip;
        }
    }
    out
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix('r')?.bytes().take_while(|byte| *byte == b'#').count();
    let body = rest.get(1 + hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(1 + hashes + 1 + body.find(&close)? + close.len())
}

/// `'x'` and `'\n'`, and no lifetime.
fn letter_literal(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    let first = body.chars().next()?;
    let length = if first == '\\' { 1 + body[1..].chars().next()?.len_utf8() } else { first.len_utf8() };
    body.get(length..)?.starts_with('\'').then_some(length + 2)
}
