//! The KV namespace `CONFIG`, through wrangler, which owns the credentials.

use super::Failure;
use super::terminal::Status;
use clap::Args;
use serde_json::{Value, json};
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

impl KvArguments {
    /// wrangler's local KV, in its usual place or in another.
    pub(super) fn local(persist_to: Option<PathBuf>) -> Self {
        Self { local: true, persist_to, wrangler_env: None }
    }
}

impl Kv<'_> {
    /// The value of a key, without white space at its end; `None`: there is none.
    pub(super) fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        Ok(self.get_all(&[key])?.pop().flatten())
    }

    /// The values of several keys. Together, since each start of wrangler takes seconds.
    pub(super) fn get_all(&self, keys: &[&str]) -> Result<Vec<Option<String>>, Failure> {
        /// The most that Cloudflare gives at once.
        const AT_ONCE: usize = 100;
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(AT_ONCE) {
            let given = if keys.len() > 1 { self.get_together(keys)? } else { None };
            match given {
                Some(given) => values.extend(given),
                // why: a wrangler that cannot give several still gives them one by one
                None => {
                    for key in keys {
                        values.push(self.get_one(key)?);
                    }
                }
            }
        }
        Ok(values)
    }

    fn get_together(&self, keys: &[&str]) -> Result<Option<Vec<Option<String>>>, Failure> {
        let list = Scratch::holding(&json!(keys).to_string())?;
        let output = self.wrangler("reading KV", &["bulk", "get", &list.name()])?;
        let text = lossy(&output.stdout);
        let object = text.find('{').and_then(|at| text.get(at..)).unwrap_or("");
        let object: Value = match serde_json::from_str(object) {
            Ok(object) if output.status.success() => object,
            _ => return Ok(None),
        };
        // why: of local KV wrangler prints `{key: {value}}`, of Cloudflare's `{key: value}`
        let value = |key: &&str| {
            let value = object.get(*key)?;
            Some(value.get("value").unwrap_or(value).as_str()?.trim_end().to_owned())
        };
        Ok(Some(keys.iter().map(value).collect()))
    }

    fn get_one(&self, key: &str) -> Result<Option<String>, Failure> {
        let output = self.wrangler(&format!("reading `{key}`"), &["key", "get", key, "--text"])?;
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
        let file = Scratch::holding(value)?;
        let output = self.wrangler(&format!("writing `{key}`"), &["key", "put", key, "--path", &file.name()])?;
        if output.status.success() { Ok(()) } else { Err(failed(&format!("write `{key}`"), &output)) }
    }

    /// Writes keys in one go, in their order.
    pub(super) fn put_all(&self, all: &[(&str, &str)]) -> Result<(), Failure> {
        let pair = |(key, value): &(&str, &str)| json!({"key": key, "value": value});
        let file = Scratch::holding(&Value::Array(all.iter().map(pair).collect()).to_string())?;
        let names: Vec<String> = all.iter().map(|(key, _)| format!("`{key}`")).collect();
        let doing = names.join(" and ");
        let output = self.wrangler(&format!("writing {doing}"), &["bulk", "put", &file.name()])?;
        if output.status.success() { Ok(()) } else { Err(failed(&format!("write {doing}"), &output)) }
    }

    /// Removes a key.
    pub(super) fn delete(&self, key: &str) -> Result<(), Failure> {
        let output = self.wrangler(&format!("deleting `{key}`"), &["key", "delete", key])?;
        if output.status.success() { Ok(()) } else { Err(failed(&format!("delete `{key}`"), &output)) }
    }

    /// The names of the keys that begin with a text, in their order.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        #[derive(serde::Deserialize)]
        struct Key {
            name: String,
        }
        let output = self.wrangler("listing keys", &["key", "list", "--prefix", prefix])?;
        let text = lossy(&output.stdout);
        let list = text.find('[').and_then(|at| text.get(at..)).unwrap_or("");
        match serde_json::from_str::<Vec<Key>>(list) {
            Ok(keys) if output.status.success() => Ok(keys.into_iter().map(|key| key.name).collect()),
            _ => Err(failed("list the keys", &output)),
        }
    }

    fn wrangler(&self, doing: &str, arguments: &[&str]) -> Result<Output, Failure> {
        let (program, first) = wrangler();
        let mut command = Command::new(&program);
        command.args(first).arg("kv").args(arguments).args(["--binding", "CONFIG"]);
        command.arg(if self.0.local { "--local" } else { "--remote" });
        if let Some(directory) = &self.0.persist_to {
            command.arg("--persist-to").arg(directory);
        }
        if let Some(env) = &self.0.wrangler_env {
            command.args(["--env", env]);
        }
        let status = Status::show(doing);
        let output = command.envs(QUIET).stdin(Stdio::null()).output();
        drop(status);
        output.map_err(|error| missing(&program, &error))
    }
}

/// Makes wrangler say what it found and nothing else: at a quieter level it prints neither values nor lists.
pub(super) const QUIET: [(&str, &str); 4] =
    [("WRANGLER_SEND_METRICS", "false"), ("WRANGLER_LOG", "log"), ("NO_COLOR", "1"), ("FORCE_COLOR", "0")];

/// A path in the system's place for temporary files that nobody else guesses.
fn new_place() -> Result<PathBuf, Failure> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Failure::Outside(error.to_string()))?;
    Ok(std::env::temp_dir().join(format!("sortition-{:016x}", u64::from_le_bytes(random))))
}

/// A folder of this run alone, which is gone with this value.
pub(super) struct ScratchFolder(pub(super) PathBuf);

impl ScratchFolder {
    pub(super) fn new() -> Result<Self, Failure> {
        let folder = new_place()?;
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // why: a folder that is there already, or a link, is somebody else's
        builder
            .create(&folder)
            .map_err(|error| Failure::Outside(format!("{} cannot be made: {error}", folder.display())))?;
        Ok(Self(folder))
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // why: it is in the system's place for such folders, should this fail
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file that is gone with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn holding(text: &str) -> Result<Self, Failure> {
        use std::io::Write as _;
        let path = new_place()?;
        let unwritable = |error| Failure::Outside(format!("{} cannot be written: {error}", path.display()));
        // why: a file that is there already, or a link, is somebody else's
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(unwritable)?;
        Ok(Self(path))
    }

    fn name(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // why: it is in the system's place for such files, should this fail
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Why wrangler did not even start.
pub(super) fn missing(program: &OsString, error: &std::io::Error) -> Failure {
    Failure::Outside(format!(
        "{} cannot be run: {error}; run this in the project's folder, after `npm install`",
        program.to_string_lossy()
    ))
}

/// The Node that is installed beside wrangler, in this directory or above; else the system's.
pub(super) fn node() -> OsString {
    let (program, arguments) = wrangler();
    if arguments.first().is_some_and(|first| Path::new(first).is_absolute()) { program } else { system_node() }
}

/// The Node that started this, where it came as an npm package; else the first on the path.
fn system_node() -> OsString {
    std::env::var_os("SORTITION_NODE").filter(|node| !node.is_empty()).unwrap_or_else(|| "node".into())
}

/// wrangler as it is installed in this directory or above, run by the Node beside it; else what npx finds.
pub(super) fn wrangler() -> (OsString, Vec<OsString>) {
    let here = std::env::current_dir().unwrap_or_default();
    for directory in here.ancestors() {
        let modules = directory.join("node_modules");
        let script = modules.join("wrangler/bin/wrangler.js");
        if script.is_file() {
            let own = modules.join(".bin/node");
            let node = if Path::new(&own).exists() { own.into() } else { system_node() };
            return (node, vec![script.into()]);
        }
    }
    ("npx".into(), vec!["wrangler".into()])
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn failed(doing: &str, output: &Output) -> Failure {
    Failure::Outside(super::wrangler::failed(doing, &lossy(&output.stderr), &lossy(&output.stdout)))
}
