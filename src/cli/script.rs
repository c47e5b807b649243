//! Scripts for Node: what wrangler's own modules, a browser's fetch and a server are needed for. Each stands in one file of
//! `scripts/`, and gets what it is to do as JSON in `SORTITION_SCRIPT`.

use super::Failure;
use super::installed::Package;
use super::kv::node;
use super::terminal::Status;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A script that asks for wrangler's configuration, and the databases of the record in it.
macro_rules! with_configuration {
    ($script:literal) => {
        concat!(include_str!("scripts/configuration.mjs"), include_str!("scripts/ledgers.mjs"), include_str!($script))
    };
}
pub(super) use with_configuration;

/// A script with its settings. `--eval`, since it then finds the modules of the folder that this is run in.
fn command(script: &str, settings: &Value) -> Command {
    let mut command = Command::new(node());
    command.args(["--input-type=module", "--eval", script]).env("SORTITION_SCRIPT", settings.to_string());
    command
}

fn unable(error: &std::io::Error) -> Failure {
    Failure::Outside(format!("node cannot be run: {error}; install Node 22 or newer from https://nodejs.org"))
}

/// Runs a script that asks wrangler to its end, its output shown, and fails where it does. On Unix it takes this process's
/// place, so that every signal reaches it.
pub(super) fn become_one(script: &str, settings: &Value) -> Result<std::convert::Infallible, Failure> {
    Package::Wrangler.required()?;
    let mut command = command(script, settings);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        Err(unable(&command.exec()))
    }
    #[cfg(not(unix))]
    {
        let status = command.status().map_err(|error| unable(&error))?;
        std::process::exit(status.code().unwrap_or(1));
    }
}

/// What a script answers: the JSON behind its mark, on a line of its own.
pub(super) fn answer(script: &str, settings: &Value, doing: &str) -> Result<Value, Failure> {
    let status = Status::show(doing);
    let output = command(script, settings).stdin(Stdio::null()).output().map_err(|error| unable(&error))?;
    drop(status);
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("@sortition "));
    line.and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        Failure::Outside(super::wrangler::failed(doing, &said, ""))
    })
}

/// What comes with the tool: the built worker and the migrations.
pub(super) struct Home {
    /// The worker's module.
    pub(super) worker: PathBuf,
    /// The folder of the ledger's migrations.
    pub(super) migrations: PathBuf,
}

impl Home {
    /// In the npm package that this was started from, one that is installed here or above, or a clone that was built.
    pub(super) fn find() -> Result<Self, Failure> {
        let here = std::env::current_dir().unwrap_or_default();
        let started = std::env::var_os("SORTITION_HOME").map(PathBuf::from);
        let installed = here.ancestors().map(|folder| folder.join("node_modules/sortition"));
        for package in started.into_iter().chain(installed) {
            if let Some(home) = Self::of(&package, "worker/index.js") {
                return Ok(home);
            }
        }
        here.ancestors().find_map(|folder| Self::of(folder, "build/index.js")).ok_or_else(|| {
            let advice = "npm install sortition, or `npm run build` in a clone of it";
            Failure::Outside(format!("there is no built worker here or above: {advice}"))
        })
    }

    fn of(folder: &Path, worker: &str) -> Option<Self> {
        let (worker, migrations) = (folder.join(worker), folder.join("migrations"));
        (worker.is_file() && migrations.is_dir()).then_some(Self { worker, migrations })
    }
}
