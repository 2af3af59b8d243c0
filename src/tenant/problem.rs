//! What is wrong with a tenant file: where, what was expected, what to do. Never a value.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A place in a file, as editors count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

/// Whether the file can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can; an operator should know.
    Warning,
    /// It can; worth a line in `check`.
    Note,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file's name in its directory, or its path where the directory is not implied.
    pub file: Arc<str>,
    /// Absent only where the file could not be read at all.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// The keys from the top: `clients.web.redirect_urls[0]`. Empty for the file as a whole.
    pub path: Box<str>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and what was expected.
    pub message: Box<str>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Box<str>>,
}

impl Problem {
    /// An error of a file as a whole.
    pub fn of_file(file: &str, message: &str) -> Self {
        Self {
            file: file.into(),
            place: None,
            path: "".into(),
            severity: Severity::Error,
            message: message.into(),
            hint: None,
        }
    }
}

impl fmt::Display for Problem {
    /// `acme.yaml:7:19: clients.web.redirect_urls[0]: not an https URL (hint)`: the form that
    /// editors jump to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        match self.severity {
            Severity::Error => f.write_str(": ")?,
            Severity::Warning => f.write_str(": warning: ")?,
            Severity::Note => f.write_str(": note: ")?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}
