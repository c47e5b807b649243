//! What wrangler says when it fails, for people: first what to do, then its own words without what is noise.

/// What is looked for in wrangler's words, and what to do then.
const KNOWN: &[(&[&str], &str)] = &[
    (
        &["npx canceled", "could not determine executable", "Cannot find module"],
        "wrangler is not installed here: run this in the project's folder, after `npm install`",
    ),
    (
        &["Authentication error", "[code: 10000]", "Unable to authenticate", "[code: 9109]", "Invalid access token"],
        "sign in with `npx wrangler login`, or set CLOUDFLARE_API_TOKEN to a token that may edit Workers KV, D1 and R2",
    ),
    (
        &["set a CLOUDFLARE_API_TOKEN", "You are not authenticated", "Not logged in", "non-interactive environment"],
        "sign in with `npx wrangler login`, or set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID, as CI must",
    ),
    (
        &["More than one account", "multiple accounts"],
        "set CLOUDFLARE_ACCOUNT_ID to the account that is meant: `npx wrangler whoami` lists them",
    ),
    (
        &["namespace not found", "[code: 10013]", "00000000000000000000000000000000"],
        "the id of CONFIG in wrangler's configuration is of no namespace: `npx wrangler kv namespace create CONFIG`, or deploy first",
    ),
    (
        &["No environment found", "No such environment"],
        "wrangler's configuration has no such environment: check --wrangler-env",
    ),
    (
        &["No KV Namespaces configured", "A namespace with binding name", "No KV namespaces", "no KV namespace"],
        "wrangler's configuration binds no CONFIG here: run this in the project's folder, or name --wrangler-env",
    ),
    (&["requires at least Node.js", "Unsupported engine"], "wrangler needs Node 22 or newer: https://nodejs.org"),
    (
        &["ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN", "fetch failed", "network connectivity"],
        "Cloudflare cannot be reached from here: check the network, a proxy, or https://www.cloudflarestatus.com",
    ),
    (&["[code: 10429]", "429", "rate limit"], "Cloudflare takes one write a second of a key: try again in a moment"),
    (&["SQLITE_BUSY", "database is locked"], "another process writes the same local data: try again in a moment"),
];

/// What to do about it, and what wrangler said. `doing`: what was asked of it, such as ``write `config` ``.
pub(super) fn failed(doing: &str, stderr: &str, stdout: &str) -> String {
    let said = uncoloured(&format!("{stderr}\n{stdout}"));
    let words: Vec<&str> = said.lines().map(plain).filter(|line| !is_noise(line)).collect();
    let first = words.first().copied().unwrap_or("it said nothing");
    let known = KNOWN.iter().find(|(signs, _)| signs.iter().any(|sign| said.contains(sign)));
    let mut text = format!("wrangler could not {doing}: {first}");
    if let Some((_, advice)) = known {
        text = format!("wrangler could not {doing}: {advice}");
    }
    let rest = if known.is_some() { words.as_slice() } else { words.get(1..).unwrap_or_default() };
    for line in rest.iter().take(6) {
        text.push_str(&format!("\n  wrangler: {line}"));
    }
    text
}

/// A text without the codes that colour it, which wrangler writes whoever reads them.
fn uncoloured(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|character: char| character.is_ascii_alphabetic());
        plain.push_str(end.and_then(|end| part.get(end + 1..)).unwrap_or_default());
    }
    plain
}

fn plain(line: &str) -> &str {
    line.trim().trim_start_matches(['✘', '▲', '⛅', '\u{fe0f}', ' ']).trim_start_matches("[ERROR]").trim()
}

fn is_noise(line: &str) -> bool {
    let starts = [
        "npm warn",
        "npm error",
        "Logs were written",
        "🪵",
        "Resource location",
        "Use --remote",
        "wrangler ",
        "If you think this is a bug",
        // why: what wrangler advises on an environment that is none
        "Before using `--env",
        "Consider adding an environment",
        "```",
        "[env.",
    ];
    line.is_empty()
        || starts.iter().any(|start| line.starts_with(start))
        || line.contains("would you like to report")
        // why: an option of wrangler's own, which this tool does not have
        || line.contains("--namespace-id")
        || line.chars().all(|character| "─-=".contains(character))
}
