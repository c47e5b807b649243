//! `sortition dev`, `deploy`, `doctor` and `upgrade`: a shop's own repository, from its first page to its deployment.

use super::address::normal_url;
use super::init::{COMPATIBILITY_DATE, COMPATIBILITY_FLAGS};
use super::installed::Package;
use super::script::{self, Home};
use super::terminal::{bad, faint, good, strong};
use super::{Failure, Report, input};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Put the worker before one's own site, on this machine.
#[derive(Debug, Args)]
#[command(
    after_help = "The document is checked and taken up as it is saved, drafts included. Links, redirects and cookies stay on this machine. Data is in .wrangler, where `--local` of the other commands finds it.

Examples:
  sortition dev --origin https://shop.example
  sortition dev --origin http://localhost:3000 --document shop.json --port 8080"
)]
pub(super) struct DevArguments {
    /// The site: any address that this machine reaches.
    #[arg(long, value_name = "URL")]
    origin: String,
    /// The document.
    #[arg(long, value_name = "FILE", default_value = "experiments.json")]
    document: PathBuf,
    /// Where to look at it.
    #[arg(long, default_value_t = 8787, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Keep the data there, rather than in .wrangler/state.
    #[arg(long, value_name = "DIRECTORY")]
    persist_to: Option<PathBuf>,
    /// Leave drafts as they are, rather than running them here.
    #[arg(long)]
    as_is: bool,
    /// Open it in the browser.
    #[arg(long)]
    open: bool,
    /// End when standard input does.
    #[arg(long, hide = true)]
    tied: bool,
}

pub(super) fn dev(arguments: &DevArguments) -> Result<Report, Failure> {
    let origin = normal_url(&arguments.origin)?;
    let document = &arguments.document;
    // why: an address that is mistyped or a file that is elsewhere should be said before anything is started
    if !document.is_file() {
        let advice = "name it with --document, or make one: sortition new hero --into experiments.json";
        return Err(Failure::Usage(format!("`{}` cannot be read; {advice}", document.display())));
    }
    let home = Home::find()?;
    let config = configuration();
    let settings = json!({
        "origin": origin,
        "document": document,
        "port": arguments.port,
        "persistTo": arguments.persist_to,
        "drafts": !arguments.as_is,
        "open": arguments.open,
        "tied": arguments.tied,
        "tool": std::env::current_exe().map_err(|error| Failure::Outside(error.to_string()))?,
        "worker": absolute(&home.worker),
        "migrations": absolute(&home.migrations),
        "config": config,
        // why: only where there is no configuration, of which it would be another worker's
        "compatibility": { "date": COMPATIBILITY_DATE, "flags": COMPATIBILITY_FLAGS },
        "localize": include_str!("scripts/localize.mjs"),
    });
    match script::become_one(script::with_configuration!("scripts/dev.mjs"), &settings)? {}
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// wrangler's configuration of this folder.
fn configuration() -> Option<PathBuf> {
    ["wrangler.jsonc", "wrangler.json", "wrangler.toml"].into_iter().map(PathBuf::from).find(|file| file.is_file())
}

/// Make what Cloudflare lacks, apply migrations, deploy the worker.
#[derive(Debug, Args)]
#[command(
    after_help = "It makes the queues that the configuration names, deploys (wrangler makes namespace, database and bucket where they have no id), and applies the ledger's migrations. Every binding but CONFIG may be left out. Arguments behind `--` are wrangler's.

Examples:
  sortition deploy
  sortition deploy -- --env staging
  sortition deploy -- --dry-run"
)]
pub(super) struct DeployArguments {
    /// Arguments of `wrangler deploy`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(super) fn deploy(arguments: &DeployArguments) -> Result<Report, Failure> {
    let settings = json!({"args": arguments.arguments, "config": configuration()});
    match script::become_one(script::with_configuration!("scripts/deploy.mjs"), &settings)? {}
}

/// Find what is not in order, and say what to do.
#[derive(Debug, Args)]
#[command(
    after_help = "Of the folder: versions, bindings, ids, schedule, routes, the document. Of an address: the document that is live and its age, what is stopped, the script, the page, and with --token whether selectors are met and conversions arrive. With --account it asks wrangler for secrets and migrations. Exit status 1 where something fails.

Examples:
  sortition doctor
  sortition doctor https://shop.example/
  ADMIN_TOKEN=… sortition doctor https://shop.example/ --account --json"
)]
pub(super) struct DoctorArguments {
    /// A page of the shop, through the worker.
    url: Option<String>,
    /// The document.
    #[arg(long, value_name = "FILE", default_value = "experiments.json")]
    document: PathBuf,
    /// The password of the pages of results; absent: ADMIN_TOKEN of the environment.
    #[arg(long)]
    token: Option<String>,
    /// Ask wrangler what the account has: secrets, migrations.
    #[arg(long)]
    account: bool,
    /// Ask wrangler's local data instead.
    #[arg(long, conflicts_with = "account")]
    local: bool,
    /// The environment of wrangler's configuration.
    #[arg(long, value_name = "NAME")]
    wrangler_env: Option<String>,
}

pub(super) fn doctor(arguments: &DoctorArguments) -> Result<Report, Failure> {
    let token = arguments.token.clone().or_else(|| std::env::var("ADMIN_TOKEN").ok()).filter(|token| !token.is_empty());
    let settings = json!({
        "url": arguments.url.as_deref().map(normal_url).transpose()?,
        "document": arguments.document,
        "token": token,
        "account": arguments.account,
        "local": arguments.local,
        "wranglerEnv": arguments.wrangler_env,
        "version": env!("CARGO_PKG_VERSION"),
        "tool": std::env::current_exe().map_err(|error| Failure::Outside(error.to_string()))?,
    });
    let findings = script::answer(script::with_configuration!("scripts/doctor.mjs"), &settings, "look at everything")?;
    Ok(told(&findings))
}

/// A line a finding, with what to do; a failure fails the command.
fn told(findings: &Value) -> Report {
    let list = findings.as_array().map(Vec::as_slice).unwrap_or_default();
    let (mut text, mut problems) = (String::new(), Vec::new());
    for finding in list {
        let field = |name: &str| finding.get(name).and_then(Value::as_str).unwrap_or("");
        let (state, name, said, advice) = (field("state"), field("name"), field("said"), field("advice"));
        let mark = match state {
            "ok" => good("ok      "),
            "warning" => strong("warning "),
            "skipped" => faint("skipped "),
            _ => bad("failure "),
        };
        let arrow = if advice.is_empty() { String::new() } else { format!("\n         {} {advice}", faint("→")) };
        text.push_str(&format!("{mark} {}  {said}{arrow}\n", strong(name)));
        if state == "failure" {
            problems.push(crate::document::Problem::error(name, format!("{said}: {advice}")));
        }
    }
    let failures = problems.len();
    text.push_str(&match failures {
        0 => format!("\n{}\n", good("nothing fails")),
        _ => format!("\n{}\n", bad(super::count(failures, "failure"))),
    });
    Report { text, json: json!({"ok": failures == 0, "checks": list}), problems }
}

/// Say and do what a new version needs.
#[derive(Debug, Args)]
#[command(
    after_help = "It checks the document with this version, raises the version in package.json, and applies the ledger's migrations, which is safe to repeat. docs/versions.md says what may change between versions.

Examples:
  npm install sortition@latest && npx sortition upgrade
  sortition upgrade --local       the data of this machine
  sortition upgrade --dry-run     only say"
)]
pub(super) struct UpgradeArguments {
    /// The document.
    #[arg(long, value_name = "FILE", default_value = "experiments.json")]
    document: String,
    /// Migrate the data of this machine rather than Cloudflare's.
    #[arg(long)]
    local: bool,
    /// Where wrangler keeps its local data.
    #[arg(long, value_name = "DIRECTORY", requires = "local")]
    persist_to: Option<PathBuf>,
    /// Only say what is to be done.
    #[arg(long)]
    dry_run: bool,
    /// The environment of wrangler's configuration.
    #[arg(long, value_name = "NAME")]
    wrangler_env: Option<String>,
}

pub(super) fn upgrade(arguments: &UpgradeArguments) -> Result<Report, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let mut steps: Vec<(bool, String)> = Vec::new();
    let text = input::read(&arguments.document)?;
    let (document, warnings) = input::sound(&text)?;
    Package::Wrangler.required()?;
    super::complain_in(&text, &warnings);
    let documents = super::count(document.experiments.len(), "experiment");
    steps.push((true, format!("{}: version {version} reads it, {documents}", arguments.document)));
    if let Ok(package) = std::fs::read_to_string("package.json") {
        steps.push(raise(&package, version, arguments.dry_run)?);
    }
    let settings = json!({
        "config": configuration(),
        "local": arguments.local,
        "persistTo": arguments.persist_to,
        "apply": !arguments.dry_run,
        "wranglerEnv": arguments.wrangler_env,
    });
    let answered =
        script::answer(script::with_configuration!("scripts/upgrade.mjs"), &settings, "apply the migrations")?;
    for step in answered.as_array().into_iter().flatten() {
        let done = step.get("done").and_then(Value::as_bool).unwrap_or_default();
        steps.push((done, step.get("said").and_then(Value::as_str).unwrap_or("").to_owned()));
    }
    let open = steps.iter().filter(|(done, _)| !done).count();
    let line =
        |(done, said): &(bool, String)| format!("{} {said}\n", if *done { good("done ") } else { strong("to do") });
    let mut text: String = steps.iter().map(line).collect();
    if open == 0 {
        text.push_str("\nDeploy the worker before you push a document that uses something new: npm run deploy\n");
    }
    let json: Vec<Value> = steps.iter().map(|(done, said)| json!({"done": done, "said": said})).collect();
    Ok(Report { text, json: json!({"ok": true, "version": version, "steps": json}), problems: Vec::new() })
}

/// Writes this version into package.json, where it names another.
fn raise(package: &str, version: &str, dry_run: bool) -> Result<(bool, String), Failure> {
    let value: Value = serde_json::from_str(package).unwrap_or_default();
    let field = ["dependencies", "devDependencies"]
        .into_iter()
        .find_map(|field| Some((field, value.get(field)?.get("sortition")?.as_str()?)));
    let Some((field, named)) = field else {
        return Ok((true, "package.json: this is a clone, which has its own version".to_owned()));
    };
    // why: a path or an address is what somebody chose
    let plain = named.trim_start_matches(['^', '~', '=']);
    if plain == version || !plain.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok((true, format!("package.json: sortition {named}")));
    }
    if dry_run {
        return Ok((false, format!("package.json: sortition {named} → {version}")));
    }
    let changed = super::edit::set(package, field, "sortition", &version.into());
    let changed = changed.ok_or_else(|| Failure::Outside("package.json cannot be edited".to_owned()))?;
    std::fs::write("package.json", changed).map_err(|error| Failure::Outside(format!("package.json: {error}")))?;
    Ok((true, format!("package.json: sortition {named} → {version}; run npm install")))
}
