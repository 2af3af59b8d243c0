//! Texts from elsewhere: environment variables of a tenant's own prefix, files below one directory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::Text;
use super::reading::{SecretPlace, SecretUse};
use crate::base::digest::Digest;

/// A secret file holds a secret; more is an accident.
const LARGEST: u64 = 64 * 1024;

/// The process environment, injected.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where texts are taken from.
#[derive(Clone)]
pub struct SecretSource {
    /// `--secrets-dir`.
    pub directory: Option<PathBuf>,
    /// `--secrets-env-prefix`, beside the tenant's own name.
    pub prefixes: Vec<String>,
    /// The process environment.
    pub environment: Environment,
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSource")
            .field("directory", &self.directory)
            .field("prefixes", &self.prefixes)
            .finish_non_exhaustive()
    }
}

/// Why a text cannot be had. Names the rule and never the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecretError {
    /// It is not there: in `check` no more than a note.
    Unset(&'static str),
    /// It may not be taken from there, or is not what it should be.
    Refused(String),
}

impl SecretSource {
    /// The text, and what it was taken from.
    pub(super) fn resolve(&self, tenant: &str, text: &Text) -> (Result<String, SecretError>, Option<SecretUse>) {
        let place = match text {
            Text::Literal(text) => return (Ok(text.clone()), None),
            Text::Env(name) => SecretPlace::Env(name.as_str().into()),
            Text::File(name) => SecretPlace::File(name.as_str().into()),
        };
        if let (SecretPlace::Env(name), Err(rule)) = (&place, self.may_read(tenant, text)) {
            let _ = name;
            return (Err(SecretError::Refused(rule)), None);
        }
        let value = self.read(&place);
        let digest = value.as_ref().ok().map(Digest::of);
        (value, Some(SecretUse { place, digest }))
    }

    /// Whether what a reading took from elsewhere is still the same.
    pub(super) fn still_holds(&self, uses: &[SecretUse]) -> bool {
        uses.iter().all(|used| self.read(&used.place).ok().map(Digest::of) == used.digest)
    }

    /// A tenant's file names variables of its own: `ACME_…` for `acme`.
    fn may_read(&self, tenant: &str, text: &Text) -> Result<(), String> {
        let Text::Env(name) = text else { return Ok(()) };
        let own = format!("{}_", tenant.to_ascii_uppercase().replace('-', "_"));
        if name.starts_with(&own) || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())) {
            Ok(())
        } else {
            Err(format!("the name of the variable must begin with {own} or a --secrets-env-prefix"))
        }
    }

    fn read(&self, place: &SecretPlace) -> Result<String, SecretError> {
        match place {
            SecretPlace::Env(name) => match (self.environment)(name) {
                Some(value) if !value.is_empty() => Ok(value),
                _ => Err(SecretError::Unset("the environment variable is not set")),
            },
            SecretPlace::File(name) => self.read_file(name),
        }
    }

    /// Below the directory with links resolved: neither `..` nor a link leads out.
    fn read_file(&self, name: &str) -> Result<String, SecretError> {
        let directory = self.directory.as_ref().ok_or(SecretError::Unset("no --secrets-dir was given"))?;
        let refused = |text: &str| SecretError::Refused(text.to_owned());
        let missing = |_| SecretError::Unset("there is no such file below --secrets-dir");
        if Path::new(name).is_absolute() {
            return Err(refused("the file must be named by a path below --secrets-dir"));
        }
        let directory = directory.canonicalize().map_err(|_| SecretError::Unset("the --secrets-dir is not there"))?;
        let path = directory.join(name).canonicalize().map_err(missing)?;
        if !path.starts_with(&directory) {
            return Err(refused("the file is not below --secrets-dir"));
        }
        let metadata = path.metadata().map_err(missing)?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            return Err(refused("the file is no file, or larger than 64 KiB"));
        }
        let text = std::fs::read_to_string(&path).map_err(|_| refused("the file cannot be read as UTF-8"))?;
        let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() { Err(refused("the file is empty")) } else { Ok(text.to_owned()) }
    }
}
