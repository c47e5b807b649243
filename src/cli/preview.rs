//! `sortition preview`: a link that shows a variant.

use super::address::normal_url;
use super::{Failure, Report, clock, input};
use crate::document::{Id, Timestamp};
use crate::visitor::preview::{NAME, Token};
use clap::Args;
use serde_json::json;

/// Make a link that shows a variant without assigning anybody to it.
#[derive(Debug, Args)]
#[command(
    after_help = "The link is signed with SORTITION_SECRET, of the environment or of .dev.vars: the same secret that the worker has.

Examples:
  sortition preview hero:bold --url https://shop.example/
  sortition preview hero:bold checkout:reassure --hours 2 --url http://127.0.0.1:8787/"
)]
pub(super) struct Arguments {
    /// What is shown: experiment and variant; may be repeated.
    #[arg(required = true, value_name = "EXPERIMENT:VARIANT")]
    choices: Vec<String>,
    /// How long the link is good.
    #[arg(long, default_value_t = 24)]
    hours: u32,
    /// The page; absent: only the token's parameter.
    #[arg(long)]
    url: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let choice = |text: &String| {
        let (experiment, variant) = text.split_once(':')?;
        Some((Id::new(experiment)?, Id::new(variant)?))
    };
    let choices: Option<Vec<(Id, Id)>> = arguments.choices.iter().map(choice).collect();
    let choices = choices.ok_or_else(|| {
        Failure::Usage(format!("`{}` names no experiment and variant: write hero:bold", arguments.choices.join(" ")))
    })?;
    let secret = input::secret().ok_or_else(|| {
        Failure::Usage(
            "there is no SORTITION_SECRET to sign with: set it in the environment or in .dev.vars".to_owned(),
        )
    })?;
    let expires_at = clock::now().millis() / 1000 + i64::from(arguments.hours) * 3600;
    let token = Token { choices, expires_at: Some(expires_at) }.write(Some(secret.as_bytes()));
    let url = arguments.url.as_deref().map(normal_url).transpose()?.unwrap_or_default();
    let sign = if url.contains('?') { '&' } else { '?' };
    let link = format!("{url}{sign}{NAME}={token}");
    let until = Timestamp::from_millis(expires_at.saturating_mul(1000));
    Ok(Report {
        text: format!("{link}\ngood until {until}; {url}{sign}{NAME}= ends the preview\n"),
        json: json!({"url": link, "token": token, "expires_at": until}),
        problems: Vec::new(),
    })
}
