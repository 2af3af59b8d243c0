//! Reads a source file: its code with comments and strings blanked, the paths it names, the lines that are tests.

use crate::lexer;

/// A source file, read.
pub(crate) struct Source {
    /// Path below the root, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// The same with comments and strings blanked, line by line.
    pub(crate) code: String,
    /// Line numbers (from 1) of items under `#[cfg(test)]`, attribute included. Only those: what follows such
    /// an item is the gateway's own code again.
    tests: Vec<std::ops::RangeInclusive<usize>>,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let code = lexer::blank(&text);
        let items = lexer::test_items(&code);
        let tests = items.into_iter().map(|item| line_of(&code, item.start)..=line_of(&code, item.end)).collect();
        Self { path, text, code, tests }
    }

    /// The whole file is a test: `golden.rs` where its parent says `#[cfg(test)] mod golden;`.
    pub(crate) fn make_a_test(&mut self) {
        self.tests = std::iter::once(1..=usize::MAX).collect();
    }

    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&line))
    }

    /// Lines of code with their numbers.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    /// Where a child module `name` of this file stands: a file, or a folder with all below it.
    fn child(&self, name: &str) -> String {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        match file {
            "mod.rs" | "lib.rs" | "main.rs" => format!("{folder}/{name}"),
            _ => format!("{folder}/{}/{name}", file.trim_end_matches(".rs")),
        }
    }

    /// The places of child modules that are tests as a whole.
    pub(crate) fn test_children(&self) -> Vec<String> {
        let items = lexer::test_items(&self.code).into_iter().filter_map(|item| {
            let item = self.code[item].trim_end().strip_suffix(';')?.trim_end();
            let (before, name) = item.rsplit_once(char::is_whitespace)?;
            before.trim_end().ends_with("mod").then(|| self.child(name))
        });
        items.collect()
    }

    /// Every path into the crate with the line it stands in, as `tenant::model`: after `crate::` and `$crate::`, out of
    /// groups too, and through a chain of `super::` that climbs to the root.
    pub(crate) fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in self.words("crate") {
            if let Some(rest) = after_colons(&self.code, at + "crate".len()) {
                lexer::expand(&self.code, rest, String::new(), &mut found);
            }
        }
        for at in self.words("super").filter(|at| !self.code[..*at].trim_end().ends_with("super::")) {
            let (mut climbed, mut rest) = (0, at);
            while let Some(next) =
                self.code[rest..].strip_prefix("super").and_then(|_| after_colons(&self.code, rest + 5))
            {
                (climbed, rest) = (climbed + 1, next);
            }
            if climbed == self.depth(at) {
                lexer::expand(&self.code, rest, String::new(), &mut found);
            }
        }
        found.into_iter().map(|(at, path)| (line_of(&self.code, at), path)).collect()
    }

    /// Lines in which a crate `name` is named: `name::…`, `::name::…`, `use name as other`. Not where `name` is a module
    /// of ours.
    pub(crate) fn lines_naming_crate(&self, name: &str) -> Vec<usize> {
        let is_ours = self.crate_paths().iter().any(|(_, path)| path.split("::").any(|part| part == name))
            || self.words(name).any(|at| {
                let before = self.code[..at].trim_end();
                before.ends_with("mod") || before.ends_with("super::") || before.ends_with("self::")
            });
        let named = self.words(name).filter(|at| {
            let before = self.code[..*at].trim_end();
            let parent = before
                .strip_suffix("::")
                .map(|it| it.ends_with(|it: char| it.is_alphanumeric() || it == '_' || it == '>'));
            let is_absolute = parent == Some(false);
            let is_path = after_colons(&self.code, at + name.len()).is_some();
            let is_renamed = self.code[at + name.len()..].starts_with(" as ");
            let is_imported = before.ends_with("use")
                || before.ends_with("extern crate")
                || is_absolute
                || is_renamed
                || is_in_bare_group(before);
            parent != Some(true) && (is_path || is_imported) && (is_absolute || !is_ours)
        });
        named.map(|at| line_of(&self.code, at)).collect()
    }

    /// Where `word` stands alone.
    fn words(&self, word: &str) -> impl Iterator<Item = usize> {
        let is_letter = |it: char| it.is_alphanumeric() || it == '_';
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| {
            !self.code[..*at].ends_with(is_letter) && !self.code[at + word.len()..].starts_with(is_letter)
        })
    }

    /// How many modules lie between the crate's root and the code at `at`.
    fn depth(&self, at: usize) -> usize {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        let parts = below.split('/').filter(|part| !["mod", "lib", "main"].contains(part)).count();
        parts + lexer::open_modules(&self.code[..at])
    }
}

/// Where a path goes on behind `::`.
fn after_colons(code: &str, at: usize) -> Option<usize> {
    let rest = &code[at..];
    let trimmed = rest.trim_start().strip_prefix("::")?;
    Some(code.len() - trimmed.len())
}

/// Whether the code ends at the first level of `use {`, where a member is the root of its own path.
fn is_in_bare_group(before: &str) -> bool {
    let statement = before.rsplit(';').next().unwrap_or_default();
    statement.rsplit_once("use {").is_some_and(|(_, group)| {
        group.matches('{').count() == group.matches('}').count() && (group.is_empty() || group.ends_with(','))
    })
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}
