//! `sortition init`: a repository of the shop's own, with everything that a first experiment needs and nothing of ours.

use super::address::normal_url;
use super::terminal::{asked, good};
use super::{Failure, Report, clock, input};
use crate::document::Timestamp;
use crate::url::Url;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Make a repository for a shop's experiments.
#[derive(Debug, Args)]
#[command(
    after_help = "What is not given is asked for on a terminal. Files that are there are left alone, unless --force.

Examples:
  sortition init
  sortition init shop-experiments --origin https://shop.example --route 'shop.example/*'
  sortition init . --origin https://shop.example --consent-cookie cookie_consent=granted"
)]
pub(super) struct Arguments {
    /// The folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The shop's address.
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// The route of a Cloudflare zone that the worker takes; empty: none yet.
    #[arg(long, value_name = "PATTERN")]
    route: Option<String>,
    /// The cookie that says who consented, and the value that means yes; empty: no consent is needed.
    #[arg(long, value_name = "NAME=VALUE")]
    consent_cookie: Option<String>,
    /// The project's name; absent: the shop's host.
    #[arg(long)]
    project: Option<String>,
    /// Who answers for the first experiment.
    #[arg(long)]
    owner: Option<String>,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

const FILES: [(&str, &str); 7] = [
    ("package.json", include_str!("init/template/package.json")),
    ("wrangler.jsonc", include_str!("init/template/wrangler.jsonc")),
    ("experiments.json", include_str!("init/template/experiments.json")),
    (".github/workflows/experiments.yml", include_str!("init/template/experiments.yml")),
    (".gitignore", include_str!("init/template/gitignore")),
    ("README.md", include_str!("init/template/README.md")),
    (".dev.vars.example", SECRETS_EXAMPLE),
];

const SECRETS_EXAMPLE: &str = "# Signs cookies and preview links.
SORTITION_SECRET=
# Servers sign conversions with it.
INGEST_SECRET=
# The password of the pages of results.
ADMIN_TOKEN=
";

const DAY: i64 = 86_400_000;

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let given = |value: &Option<String>, question: &str, default: &str| {
        value.clone().unwrap_or_else(|| asked(question, default)).trim().to_owned()
    };
    let origin = given(&arguments.origin, "The shop's address", "");
    if origin.is_empty() {
        return Err(Failure::Usage("name the shop's address: --origin https://shop.example".to_owned()));
    }
    let origin = normal_url(&origin)?;
    let url = Url::split(&origin);
    let host = url.host_name().to_owned();
    let origin = origin.split_inclusive('/').take(3).collect::<String>().trim_end_matches('/').to_owned();
    let project = slug(arguments.project.as_deref().unwrap_or(&host));
    let route =
        given(&arguments.route, "The route of the Cloudflare zone, such as shop.example/* (empty: none yet)", "");
    let consent = given(&arguments.consent_cookie, "The consent cookie, such as consent=granted (empty: none)", "");
    let values = Values {
        name: format!("{project}-experiments"),
        project: project.clone(),
        origin: origin.clone(),
        routes: routes(&route)?,
        // why: on a route the worker asks for the request's own URL, and would else ask itself
        origin_url: if route.is_empty() { origin } else { String::new() },
        consent: consent_block(&consent)?,
        owner: arguments.owner.clone().unwrap_or_else(|| format!("growth@{host}")),
    };
    write(&arguments.folder, &values, arguments.force)
}

struct Values {
    name: String,
    project: String,
    origin: String,
    routes: String,
    origin_url: String,
    consent: String,
    owner: String,
}

fn routes(route: &str) -> Result<String, Failure> {
    if route.is_empty() {
        return Ok(
            "  // \"routes\": [{ \"pattern\": \"shop.example/*\", \"zone_name\": \"shop.example\" }],".to_owned()
        );
    }
    let pattern = route.trim_start_matches("https://").trim_start_matches("http://");
    let Some((host, path)) = pattern.split_once('/').filter(|(host, _)| host.contains('.')) else {
        return Err(Failure::Usage(format!("--route `{route}`: write it as shop.example/*")));
    };
    // why: without a zone, which wrangler finds by the host; of `shop.co.uk` nobody here knows where it begins
    Ok(format!("  \"routes\": [{}],", json!(format!("{host}/{path}"))))
}

fn consent_block(consent: &str) -> Result<String, Failure> {
    if consent.is_empty() {
        return Ok(String::new());
    }
    let (cookie, granted) = consent.split_once('=').unwrap_or((consent, "granted"));
    let fits = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | ';' | ','))
    };
    if !fits(cookie) || !fits(granted) {
        return Err(Failure::Usage(format!("--consent-cookie `{consent}`: write it as consent=granted")));
    }
    Ok(format!("  \"consent\": {},\n", json!({"cookie": cookie, "granted": [granted]})))
}

/// Letters, digits and hyphens, as names at Cloudflare have them.
fn slug(text: &str) -> String {
    let letters = text.to_ascii_lowercase();
    let letters = letters.strip_prefix("www.").unwrap_or(&letters);
    let slug: String = letters.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let slug: String = slug.trim_matches('-').chars().take(40).collect();
    if slug.is_empty() { "shop".to_owned() } else { slug }
}

fn filled(template: &str, values: &Values) -> String {
    let ends = Timestamp::from_millis((clock::now().millis() / DAY + 29) * DAY).to_string();
    template
        .replace("@NAME@", &values.name)
        .replace("@PROJECT@", &values.project)
        .replace("@ORIGIN@", &values.origin)
        .replace("@ORIGIN_URL@", &values.origin_url)
        .replace("@ROUTES@", &values.routes)
        .replace("@CONSENT@", &values.consent)
        .replace("@OWNER@", &values.owner)
        .replace("@ENDS@", &ends)
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@WRANGLER@", &wrangler())
        .replace("@DATE@", COMPATIBILITY_DATE)
        .replace("@FLAGS@", &COMPATIBILITY_FLAGS.map(|flag| format!("\"{flag}\"")).join(", "))
}

/// The wrangler that this version is tested with, or a later one: the runtime of an older one does not know the date below.
fn wrangler() -> String {
    /// One place says it, for the project itself and for what it makes.
    const OURS: &str = include_str!("../../package.json");
    let ours: Option<Value> = serde_json::from_str(OURS).ok();
    let version = ours.as_ref().and_then(|ours| ours.pointer("/devDependencies/wrangler")?.as_str());
    version.map_or_else(|| "latest".to_owned(), |version| format!("^{version}"))
}

/// The date that this version is tested with, as in the project's own wrangler.toml.
pub(super) const COMPATIBILITY_DATE: &str = "2026-11-17";

/// The flags that this version is tested with, likewise.
pub(super) const COMPATIBILITY_FLAGS: [&str; 2] = ["no_nodejs_compat", "no_nodejs_compat_v2"];

fn write(folder: &Path, values: &Values, force: bool) -> Result<Report, Failure> {
    let (mut written, mut kept) = (Vec::new(), Vec::new());
    let mut one = |name: &str, text: &str| -> Result<(), Failure> {
        let path = folder.join(name);
        let unwritable = |error| Failure::Outside(format!("{} cannot be written: {error}", path.display()));
        if path.exists() && !force {
            kept.push(name.to_owned());
            return Ok(());
        }
        std::fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(unwritable)?;
        std::fs::write(&path, text).map_err(unwritable)?;
        written.push(name.to_owned());
        Ok(())
    };
    for (name, template) in FILES {
        let text = filled(template, values);
        if name == "experiments.json" {
            input::sound(&text)?;
        }
        one(name, &text)?;
    }
    one(".dev.vars", &secrets()?)?;
    close(&folder.join(".dev.vars"));
    let there = if folder == Path::new(".") { String::new() } else { format!("cd {} && ", folder.display()) };
    let mut text = format!("{} {}\n", good("wrote"), written.join(", "));
    if !kept.is_empty() {
        text.push_str(&format!("left alone, since it was there: {} (--force writes over it)\n", kept.join(", ")));
    }
    text.push_str(&format!(
        "\nNext: {there}npm install && npm run dev\nIt puts the worker before {} on this machine.\n",
        values.origin
    ));
    let json: Value = json!({"ok": true, "folder": folder, "written": written, "kept": kept, "origin": values.origin});
    Ok(Report { text, json, problems: Vec::new() })
}

/// Secrets of this machine, of 192 random bits each.
fn secrets() -> Result<String, Failure> {
    let mut text = String::from("# Secrets of this machine, made at random. The deployed worker has others.\n");
    for name in ["SORTITION_SECRET", "INGEST_SECRET", "ADMIN_TOKEN"] {
        let mut bytes = [0_u8; 24];
        getrandom::fill(&mut bytes).map_err(|error| Failure::Outside(error.to_string()))?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&format!("{name}={hex}\n"));
    }
    Ok(text)
}

/// Lets nobody else on this machine read it.
fn close(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // why: a file system without permissions has nobody to close it to
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
    }
    #[cfg(not(unix))]
    let _ = path;
}
