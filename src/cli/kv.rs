//! The KV namespace `CONFIG`, through wrangler, which owns the credentials.

use super::Failure;
use clap::Args;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Which namespace.
#[derive(Clone, Debug, Args)]
pub(super) struct KvArguments {
    /// wrangler's local data, which `npm start` serves from, in place of Cloudflare's.
    #[arg(long)]
    pub(super) local: bool,
    /// Where wrangler keeps its local data.
    #[arg(long, value_name = "DIRECTORY", requires = "local")]
    pub(super) persist_to: Option<PathBuf>,
    /// The environment of wrangler.toml whose binding is meant.
    #[arg(long, value_name = "NAME")]
    pub(super) wrangler_env: Option<String>,
}

/// The namespace.
pub(super) struct Kv<'a>(pub(super) &'a KvArguments);

impl Kv<'_> {
    /// The value of a key, without white space at its end; `None`: there is none.
    pub(super) fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        let output = self.wrangler(&["get", key, "--text"])?;
        let said = format!("{}{}", lossy(&output.stdout), lossy(&output.stderr));
        if output.status.success() && said.trim() != "Value not found" {
            // why: wrangler ends what it prints with a line break of its own
            return Ok(Some(lossy(&output.stdout).trim_end().to_owned()));
        }
        // why: wrangler has no exit status for an absent key; locally it says the one, of the API the other
        if said.contains("Value not found") || said.contains("404: Not Found") || said.contains("key not found") {
            return Ok(None);
        }
        Err(failed(&format!("read `{key}`"), &output))
    }

    /// Writes a key. Through a file, since a document is longer than an argument may be.
    pub(super) fn put(&self, key: &str, value: &str) -> Result<(), Failure> {
        let path =
            std::env::temp_dir().join(format!("sortition-{}-{}", std::process::id(), key.replace([':', '/'], "_")));
        let unwritable = |error| Failure::Outside(format!("{} cannot be written: {error}", path.display()));
        std::fs::write(&path, value).map_err(unwritable)?;
        let output = self.wrangler(&["put", key, "--path", &path.to_string_lossy()]);
        // why: it is in the system's place for such files, should this fail
        let _ = std::fs::remove_file(&path);
        let output = output?;
        if output.status.success() { Ok(()) } else { Err(failed(&format!("write `{key}`"), &output)) }
    }

    /// Removes a key.
    pub(super) fn delete(&self, key: &str) -> Result<(), Failure> {
        let output = self.wrangler(&["delete", key])?;
        if output.status.success() { Ok(()) } else { Err(failed(&format!("delete `{key}`"), &output)) }
    }

    /// The names of the keys that begin with a text, in their order.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        #[derive(serde::Deserialize)]
        struct Key {
            name: String,
        }
        let output = self.wrangler(&["list", "--prefix", prefix])?;
        let text = lossy(&output.stdout);
        let list = text.find('[').and_then(|at| text.get(at..)).unwrap_or("");
        match serde_json::from_str::<Vec<Key>>(list) {
            Ok(keys) if output.status.success() => Ok(keys.into_iter().map(|key| key.name).collect()),
            _ => Err(failed("list the keys", &output)),
        }
    }

    fn wrangler(&self, arguments: &[&str]) -> Result<Output, Failure> {
        let (program, first) = wrangler();
        let mut command = Command::new(&program);
        command.args(first).args(["kv", "key"]).args(arguments).args(["--binding", "CONFIG"]);
        command.arg(if self.0.local { "--local" } else { "--remote" });
        if let Some(directory) = &self.0.persist_to {
            command.arg("--persist-to").arg(directory);
        }
        if let Some(env) = &self.0.wrangler_env {
            command.args(["--env", env]);
        }
        // why: at a quieter level wrangler prints neither values nor lists
        let quiet =
            [("WRANGLER_SEND_METRICS", "false"), ("WRANGLER_LOG", "log"), ("NO_COLOR", "1"), ("FORCE_COLOR", "0")];
        command.envs(quiet).stdin(Stdio::null()).output().map_err(|error| {
            Failure::Outside(format!("{} cannot be run: {error}; install wrangler with npm", program.to_string_lossy()))
        })
    }
}

/// The Node that is installed beside wrangler, in this directory or above; else the system's.
pub(super) fn node() -> OsString {
    let (program, arguments) = wrangler();
    if arguments.first().is_some_and(|first| Path::new(first).is_absolute()) { program } else { "node".into() }
}

/// wrangler as it is installed in this directory or above, run by the Node beside it; else what npx finds.
fn wrangler() -> (OsString, Vec<OsString>) {
    let here = std::env::current_dir().unwrap_or_default();
    for directory in here.ancestors() {
        let modules = directory.join("node_modules");
        let script = modules.join("wrangler/bin/wrangler.js");
        if script.is_file() {
            let own = modules.join(".bin/node");
            let node = if Path::new(&own).exists() { own.into() } else { "node".into() };
            return (node, vec![script.into()]);
        }
    }
    ("npx".into(), vec!["wrangler".into()])
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn failed(doing: &str, output: &Output) -> Failure {
    let said = format!("{}\n{}", lossy(&output.stderr).trim(), lossy(&output.stdout).trim());
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(6).collect();
    Failure::Outside(format!("wrangler could not {doing}: {}", said.join(" ")))
}
