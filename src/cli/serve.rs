//! `serve`: the gateway until a signal says otherwise.

use std::fs::DirBuilder;
use std::io::{IsTerminal, stdout};
use std::os::unix::fs::DirBuilderExt;

use clap::Args;

use super::{Exit, complain, runtime};
use crate::app::{Gateway, Parts, StartError};
use crate::server::shutdown::{Outcome, Signals};
use crate::settings::{ServeSettings, environment, state_directory};
use crate::telemetry::log::{Log, LogFormat, LogLevel};

/// Serve tenants.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    settings: ServeSettings,
}

/// Serves.
pub fn run(serve: Serve) -> Exit {
    let settings = match serve.settings.with_old_names(&environment).and_then(with_sessions) {
        Ok(settings) => settings,
        Err(error) => return complain(&error, Exit::Configuration),
    };
    let log = match log(&settings, LogFormat::Json) {
        Ok(log) => log,
        Err(error) => return complain(&error, Exit::Configuration),
    };
    for (name, reason) in ServeSettings::unheeded(&environment) {
        tracing::warn!(name, reason, "an environment variable has no effect");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("no runtime: {error}"), Exit::Failed),
    };
    let exit = runtime.block_on(async {
        let (signals, reloads) = match Signals::install() {
            Ok(installed) => installed,
            Err(error) => return complain(&format!("no signals: {error}"), Exit::Failed),
        };
        match Gateway::start(&settings, Parts::real(log.lines())).await {
            Ok(gateway) => {
                let bound = |address: Option<std::net::SocketAddr>, asked: &str| {
                    address.map_or_else(|| asked.to_owned(), |address| address.to_string())
                };
                let public = bound(gateway.public, settings.public_address());
                let ops = bound(gateway.ops, &settings.ops_listen);
                tracing::info!(%public, %ops, sessions = settings.sessions_shown(), "serving");
                if settings.sessions_url() == "memory:" {
                    tracing::warn!("sessions are kept in memory: a restart logs everybody out, and a second replica knows none of them");
                }
                exit_of(gateway.run(signals, reloads).await)
            }
            Err(error) => refuse(error),
        }
    });
    runtime.shutdown_background();
    exit
}

/// Where nobody said where sessions are kept, in the state directory, which is made.
fn with_sessions(mut settings: ServeSettings) -> Result<ServeSettings, String> {
    if settings.sessions.is_none() {
        let directory = state_directory(&environment);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(|error| {
            format!(
                "sessions are kept in {} unless --sessions says otherwise, and that directory cannot be made ({error}): \
                 make it and give it to this user, or say --sessions file:PATH, or --sessions memory: to keep none over \
                 a restart",
                directory.display()
            )
        })?;
        settings.sessions = Some(format!("file:{}", directory.display()));
    }
    Ok(settings)
}

/// Events as lines on standard output, at the level that was asked for.
pub(super) fn log(settings: &ServeSettings, format: LogFormat) -> Result<Log, String> {
    let level: LogLevel =
        settings.log_level.as_deref().unwrap_or("info").parse().map_err(|error| format!("--log-level: {error}"))?;
    let format = if stdout().is_terminal() { LogFormat::Text } else { format };
    let log = Log::to(stdout());
    log.install(level, format).map_err(|error| error.to_string())?;
    Ok(log)
}

pub(super) fn refuse(error: StartError) -> Exit {
    match error {
        StartError::Configuration(why) => complain(&why, Exit::Configuration),
        StartError::Failed(error) => complain(&format!("{error:#}"), Exit::Failed),
    }
}

pub(super) fn exit_of(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Finished => {}
        Outcome::CutOff(left) => tracing::warn!(left, "stopped with work under way"),
    }
    Exit::Good
}
