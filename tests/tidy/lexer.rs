//! As much of Rust's lexical structure as the rules need: comments and strings, braces, groups of paths.

use std::ops::Range;

/// `a::b` from `at` is one path; `{a, b::{c, d}}` is three, each with the place where its last part stands. Gives the
/// place behind it.
pub(crate) fn expand(code: &str, at: usize, prefix: String, found: &mut Vec<(usize, String)>) -> usize {
    let mut at = skip_blanks(code, at);
    if code[at..].starts_with('{') {
        at += 1;
        loop {
            at = skip_blanks(code, at);
            match code[at..].chars().next() {
                None => return at,
                Some('}') => return at + 1,
                Some(letter) if letter.is_alphanumeric() || "_{*".contains(letter) => {
                    let next = expand(code, at, prefix.clone(), found);
                    at = if next == at { at + 1 } else { next };
                }
                Some(letter) => at += letter.len_utf8(),
            }
            if code[at..].trim_start().starts_with("as ") {
                at += code[at..].find([',', '}']).unwrap_or_default();
            }
        }
    }
    let rest = &code[at..];
    let word = rest.find(|it: char| !(it.is_alphanumeric() || it == '_')).unwrap_or(rest.len());
    let length = if rest.starts_with('*') { 1 } else { word };
    let path = if prefix.is_empty() { rest[..length].to_owned() } else { format!("{prefix}::{}", &rest[..length]) };
    match code[at + length..].strip_prefix("::") {
        Some(more) if more.trim_start().starts_with(|it: char| it.is_alphanumeric() || "_{*".contains(it)) => {
            expand(code, at + length + 2, path, found)
        }
        _ => {
            found.push((at, path));
            at + length
        }
    }
}

fn skip_blanks(code: &str, at: usize) -> usize {
    code.len() - code[at..].trim_start().len()
}

/// The items under a `#[cfg(test)]`, attribute included, in blanked code.
pub(crate) fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(all(test,"] {
        for (start, _) in code.match_indices(mark) {
            items.push(start..end_of_item(code, start));
        }
    }
    items
}

/// An item ends with its `;`, or with the brace that closes the first one it opens. Its attributes stand in brackets.
fn end_of_item(code: &str, start: usize) -> usize {
    let (mut brackets, mut braces) = (0_i32, 0_i32);
    for (at, letter) in code[start..].char_indices() {
        match letter {
            '[' | '(' => brackets += 1,
            ']' | ')' => brackets -= 1,
            '{' => braces += 1,
            '}' if braces == 1 && brackets == 0 => return start + at + 1,
            '}' => braces -= 1,
            ';' if braces == 0 && brackets == 0 => return start + at + 1,
            _ => {}
        }
    }
    code.len()
}

/// How many `mod name {` are open at the end of this code.
pub(crate) fn open_modules(code: &str) -> usize {
    let mut open: Vec<bool> = Vec::new();
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => {
                let mut words = code[..at].split_whitespace().rev().skip(1);
                open.push(words.next() == Some("mod"));
            }
            '}' => drop(open.pop()),
            _ => {}
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

/// Comments and strings become spaces; line ends stay, so that lines keep their numbers.
pub(crate) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
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

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(next) = rest[at..].find(['/', '*']).map(|next| at + next) {
        match rest.get(next..next + 2) {
            Some("/*") => (depth, at) = (depth + 1, next + 2),
            Some("*/") if depth == 1 => return next + 2,
            Some("*/") => (depth, at) = (depth - 1, next + 2),
            _ => at = next + 1,
        }
    }
    rest.len()
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
