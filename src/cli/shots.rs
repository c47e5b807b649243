//! `sortition shots`: a picture of each variant, through signed preview links, into the archive, where the pages of results
//! show it.

use super::address::normal_url;
use super::clock::Stopwatch;
use super::kv::{Kv, KvArguments, ScratchFolder};
use super::push::Live;
use super::store::Store;
use super::terminal::{Status, good};
use super::{Failure, Report, clock, input};
use crate::document::Preview;
use crate::visitor::preview::{NAME, Token};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Take a picture of each variant, for the pages of results.
#[derive(Debug, Args)]
#[command(
    after_help = "The browser is the one that CHROMIUM names, else chromium or google-chrome of this machine. The links are signed with SORTITION_SECRET, of the environment or of .dev.vars: the same secret that the worker has.

Examples:
  sortition shots hero --url http://127.0.0.1:8787/ --local
  sortition shots hero --url https://shop.example/p/tent --width 390 --height 844"
)]
pub(super) struct Arguments {
    /// The experiment.
    experiment: String,
    /// The page, through the worker.
    #[arg(long)]
    url: String,
    /// How wide the window is, in pixels.
    #[arg(long, default_value_t = 1280)]
    width: u32,
    /// How high the window is, in pixels.
    #[arg(long, default_value_t = 900)]
    height: u32,
    #[command(flatten)]
    kv: KvArguments,
}

/// How long a picture may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a link is good, in seconds.
const GOOD_FOR: i64 = 600;

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let url = normal_url(&arguments.url)?;
    let browser = browser()?;
    let live = Live::required(Kv(&arguments.kv).get("config")?)?;
    let (document, _) = input::sound(&live.text)?;
    if document.preview == Preview::Off {
        return Err(Failure::refused("preview", "it is \"off\", so that no link shows a variant: write \"signed\""));
    }
    let e =
        document.experiments.iter().find(|e| e.id.as_str() == arguments.experiment).ok_or_else(|| {
            Failure::refused("experiments", format!("no live experiment is `{}`", arguments.experiment))
        })?;
    let secret = input::secret().ok_or_else(|| {
        Failure::Usage("there is no SORTITION_SECRET to sign links with: set it, or write it to .dev.vars".to_owned())
    })?;
    let scratch = ScratchFolder::new()?;
    let folder = &scratch.0;
    let taken = e.variants.iter().try_fold(Vec::new(), |mut taken, variant| {
        let expires_at = Some(clock::now().millis() / 1000 + GOOD_FOR);
        let token = Token { choices: vec![(e.id.clone(), variant.id.clone())], expires_at };
        let sign = if url.contains('?') { '&' } else { '?' };
        let link = format!("{url}{sign}{NAME}={}", token.write(Some(secret.as_bytes())));
        let picture = folder.join(format!("{}.png", variant.id));
        let _status = Status::show(&format!("taking a picture of {}", variant.id));
        take(&browser, &link, &picture, &folder.join("profile"), (arguments.width, arguments.height))?;
        taken.push((format!("screens/{}/{}.png", e.id, variant.id), picture));
        Ok(taken)
    });
    let kept = taken.and_then(|taken: Vec<(String, PathBuf)>| {
        let mut store = Store::open(&arguments.kv)?;
        taken.iter().try_for_each(|(key, picture)| store.put_file(key, picture, "image/png"))?;
        Ok(taken.into_iter().map(|(key, _)| key).collect::<Vec<String>>())
    });
    let kept = kept?;
    let shown: Vec<String> = kept.iter().map(|key| format!("  {key}\n")).collect();
    let pictures: Value = json!({"ok": true, "experiment": e.id, "pictures": kept});
    let text = format!("{} for the page of {}\n{}", good("pictures"), e.id, shown.concat());
    Ok(Report { text, json: pictures, problems: Vec::new() })
}

/// The browser of this machine.
fn browser() -> Result<PathBuf, Failure> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
        .iter()
        .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
        .ok_or_else(|| Failure::Outside("there is no Chromium: install it, or name the browser in CHROMIUM".to_owned()))
}

/// What the browser says that it is: by its own name, which tells that nobody looks on, it would be taken for a crawler.
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// Has a browser open a link and keep a picture of what it shows.
fn take(browser: &Path, link: &str, picture: &Path, profile: &Path, size: (u32, u32)) -> Result<(), Failure> {
    // why: a preview is kept in a cookie, and the next variant's must not meet this one's
    let _ = std::fs::remove_dir_all(profile);
    let failed = |why: String| Failure::Outside(format!("the browser took no picture: {why}"));
    let mut child = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .args(["--no-first-run", "--virtual-time-budget=5000"])
        .arg(format!("--user-agent={AGENT}"))
        .arg(format!("--window-size={},{}", size.0, size.1))
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(link)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(format!("{} cannot be run: {error}", browser.display())))?;
    let watch = Stopwatch::start();
    let ended = loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break Some(status),
            None if watch.elapsed() > PATIENCE => break None,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    if ended.is_none() {
        // why: it hangs; what it leaves behind ends with it
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(format!("it did not end within {} s", PATIENCE.as_secs())));
    }
    if picture.is_file() { Ok(()) } else { Err(failed("it ended without one; does the page open in it?".to_owned())) }
}
