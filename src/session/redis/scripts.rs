//! The scripts, each atomic on its server, and how one is called.

use redis::{Cmd, ToRedisArgs, cmd};

/// A script with the digest by which a server remembers it.
pub(super) struct Script {
    text: String,
    digest: String,
}

impl Script {
    fn new(text: String) -> Self {
        let digest = redis::Script::new(&text).get_hash().to_owned();
        Self { text, digest }
    }

    /// One about sessions, behind what these share.
    fn of_sessions(text: &str) -> Self {
        Self::new(format!("{}\n{text}", include_str!("scripts/sessions.lua")))
    }
}

/// All of them.
pub(super) struct Scripts {
    pub(super) open: Script,
    pub(super) touch: Script,
    pub(super) replace: Script,
    pub(super) end: Script,
    pub(super) end_all: Script,
    pub(super) records: Script,
    pub(super) sweep: Script,
    pub(super) first_time: Script,
    pub(super) lease: Script,
    pub(super) hold: Script,
    pub(super) share: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            open: Script::of_sessions(include_str!("scripts/open.lua")),
            touch: Script::of_sessions(include_str!("scripts/touch.lua")),
            replace: Script::of_sessions(include_str!("scripts/replace.lua")),
            end: Script::of_sessions(include_str!("scripts/end.lua")),
            end_all: Script::of_sessions(include_str!("scripts/end_all.lua")),
            records: Script::of_sessions(include_str!("scripts/records.lua")),
            sweep: Script::of_sessions(include_str!("scripts/sweep.lua")),
            first_time: Script::new(include_str!("scripts/first_time.lua").to_owned()),
            lease: Script::new(include_str!("scripts/lease.lua").to_owned()),
            hold: Script::new(include_str!("scripts/hold.lua").to_owned()),
            share: Script::new(include_str!("scripts/share.lua").to_owned()),
        }
    }
}

/// A script with its keys and arguments.
pub(super) struct Call<'a> {
    script: &'a Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(script: &'a Script, keys: impl IntoIterator<Item = String>) -> Self {
        Self { script, keys: keys.into_iter().collect(), arguments: Vec::new() }
    }

    pub(super) fn argument(mut self, argument: impl ToRedisArgs) -> Self {
        self.arguments.extend(argument.to_redis_args());
        self
    }

    /// By its digest: what a server that knows the script needs.
    pub(super) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", &self.script.digest)
    }

    /// With its text, which the server then remembers.
    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", &self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}
