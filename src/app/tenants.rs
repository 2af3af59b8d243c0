//! The tenant files at start and at every "look again".

use std::path::PathBuf;
use std::sync::Arc;

use super::StartError;
use super::reread::Reread;
use crate::server::shutdown::Shutdown;
use crate::settings::{ServeSettings, environment};
use crate::tenant::load::Sources;
use crate::tenant::read::{EmulatorOverride, ReaderOptions, Unset};
use crate::tenant::reload::{ReloadOptions, ReloadReport, Reloader, Removals};
use crate::tenant::secrets::SecretSource;

pub(super) fn reader_options(settings: &ServeSettings, emulator: Option<EmulatorOverride>) -> ReaderOptions {
    let secrets = SecretSource {
        directory: settings.secrets_dir.clone(),
        prefixes: settings.secrets_env_prefixes.clone(),
        environment: Arc::new(environment),
    };
    ReaderOptions { secrets, unset: Unset::Error, allow_upstream: settings.allow_upstream.clone(), emulator }
}

pub(super) fn reload_options(settings: &ServeSettings) -> ReloadOptions {
    ReloadOptions {
        sources: Sources { directories: settings.tenants.clone(), defaults: settings.defaults.clone() },
        max_removed: settings.max_removed,
        metrics_tenants: settings.metrics_tenants,
    }
}

/// The directories of tenants, the defaults file, the directory of secrets, the key ring, the certificates.
pub(super) fn watched(settings: &ServeSettings) -> Vec<PathBuf> {
    let mut paths = settings.tenants.clone();
    paths.extend(settings.defaults.clone());
    paths.extend(settings.secrets_dir.clone());
    paths.extend(settings.session_keys.clone());
    paths.extend(settings.tls_cert.iter().chain(&settings.tls_key).cloned());
    paths
}

/// Whether the first load is good enough to serve.
pub(super) fn accept(settings: &ServeSettings, report: &ReloadReport) -> Result<(), StartError> {
    let refuse = |why: String| Err(StartError::Configuration(why));
    if let Some(why) = &report.unreadable {
        return refuse(format!("the tenant directory cannot be read: {why}"));
    }
    if report.files == 0 {
        return refuse(
            "there is no tenant file; `auth0-gateway dev` needs none, `--tenants DIR` names a directory".to_owned(),
        );
    }
    if settings.strict && !report.is_clean() {
        return refuse(format!(
            "{} of {} tenant files are bad, and --strict was given; see the log, or `auth0-gateway check`",
            report.files - report.valid,
            report.files
        ));
    }
    if report.usable * 100 < report.files * usize::from(settings.min_valid) {
        return refuse(format!(
            "{} of {} tenant files are valid, which is less than --min-valid {}; see the log, or `auth0-gateway check`",
            report.usable, report.files, settings.min_valid
        ));
    }
    Ok(())
}

/// Reloads on every "look again".
pub(super) fn follow(
    reloader: &Arc<Reloader>,
    files: Reread,
    mut changes: tokio::sync::watch::Receiver<u64>,
    shutdown: &Shutdown,
) {
    let (reloader, closing, tasks) = (Arc::clone(reloader), shutdown.closing().clone(), shutdown.tracker().clone());
    shutdown.tracker().spawn(async move {
        tokio::select! {
            () = async {
                while changes.changed().await.is_ok() {
                    files.read_again(&tasks).await;
                    reloader.reload(Removals::Guarded).await;
                }
            } => {}
            () = closing.cancelled() => {}
        }
    });
}
