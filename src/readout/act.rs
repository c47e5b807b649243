//! Acting from the page of an experiment: one form under the results, and the page that asks once more.

use super::page::{ROOT, page};
use super::types::{Phase, Results};
use maud::{Markup, html};
use serde_json::Value;

/// The form under an experiment's results. `token` makes the token of an action's word.
#[must_use]
pub fn forms(results: &Results, token: impl Fn(&str) -> String) -> Markup {
    let decided = results.decision.is_some();
    let is = |phases: &[Phase]| phases.contains(&results.phase);
    // why: pressing Enter in a field presses the first button, so the harmless one comes first
    let buttons: Vec<(&str, &str)> = [
        ("comment", "Comment", true),
        ("pause", "Pause", is(&[Phase::Running])),
        ("resume", "Turn on", is(&[Phase::Paused, Phase::Draft])),
        ("ramp", "Change traffic", !decided && is(&[Phase::Running, Phase::Paused])),
        ("decide", "Decide", !decided && is(&[Phase::Running, Phase::Paused, Phase::ReadyForReview, Phase::Killed])),
        ("share", "Share these results", true),
        ("lift", "Lift the kill", is(&[Phase::Killed])),
        ("kill", "Kill: control for everybody", !is(&[Phase::Killed, Phase::Completed])),
    ]
    .into_iter()
    .filter_map(|(word, name, shown)| shown.then_some((word, name)))
    .collect();
    html! {
        section {
            h2 { "Act" }
            details {
                summary { "Kill, pause, ramp, decide, comment, share" }
                form method="post" class="act" {
                    p { label for="act-who" { "Your name " } input id="act-who" name="who" required maxlength="100" autocomplete="name"; }
                    p { label for="act-operator" { "Operator's token " } input id="act-operator" name="operator" type="password" required autocomplete="off"; }
                    p { label for="act-text" { "Comment, or why " } textarea id="act-text" name="text" rows="3" cols="40" maxlength="2000" {} }
                    p { label for="act-percent" { "Traffic in per cent, to change it " } input id="act-percent" name="percent" inputmode="decimal"; }
                    p {
                        label for="act-what" { "Decision " }
                        select id="act-what" name="what" {
                            @for variant in &results.variants { option value={"ship " (variant.id)} { "ship " (variant.id) } }
                            @for word in ["keep", "inconclusive", "abort"] { option value=(word) { (word) } }
                        }
                    }
                    p { label for="act-days" { "A shared link is good for days " } input id="act-days" name="days" inputmode="numeric" value="7"; }
                    @for (word, _) in &buttons { input type="hidden" name={"token." (word)} value=(token(word)); }
                    p {
                        @for (word, name) in &buttons {
                            button type="submit" formaction={(ROOT) "/" (results.id) "/" (word)} { (name) } " "
                        }
                    }
                }
            }
        }
    }
}

/// The page that shows what an action would do, and asks once. `content` is what the second form repeats, `token` its
/// token.
#[must_use]
pub fn confirm_page(id: &str, action: &str, acted: &Value, content: &str, token: &str, to_git: bool) -> String {
    let content = html! {
        h1 { (action) " " (id) "?" }
        (changes(acted))
        @if to_git { p { "It becomes a pull request: what is live changes once that is merged." } }
        form method="post" action={(ROOT) "/" (id) "/" (action)} {
            input type="hidden" name="content" value=(content);
            input type="hidden" name="token" value=(token);
            p { button type="submit" { "Yes, " (action) " " (id) } " " a href={(ROOT) "/" (id)} { "No, back to the results" } }
        }
    };
    page(&format!("{action} {id}"), "/", &content)
}

/// The page of what was done.
#[must_use]
pub fn done_page(id: &str, action: &str, acted: &Value) -> String {
    let url = |field: &str| acted.get(field).and_then(Value::as_str).filter(|url| url.starts_with("http"));
    let content = html! {
        h1 { "Done: " (action) " " (id) }
        (changes(acted))
        @if let Some(url) = url("pull_request") { p { a href=(url) { "The pull request" } } }
        @if let Some(url) = url("url") {
            p { "Whoever has this link reads the results of " (id) ", and nothing else, until " (acted.get("ends_at").and_then(Value::as_str).unwrap_or_default()) ":" }
            p { a href=(url) { (url) } }
        }
        p { a href={(ROOT) "/" (id)} { "Back to the results" } }
    };
    page(&format!("{action} {id}"), "/", &content)
}

/// The page of what was refused.
#[must_use]
pub fn refused_page(id: &str, action: &str, detail: &str) -> String {
    let content = html! {
        h1 { "Not done: " (action) " " (id) }
        @for line in detail.lines() { p { (line) } }
        p { a href={(ROOT) "/" (id)} { "Back to the results" } }
    };
    page(&format!("{action} {id}"), "/", &content)
}

/// What changes, and what `check` says of it.
fn changes(acted: &Value) -> Markup {
    let list = |field: &str| acted.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (summary, check) = (list("summary"), list("check"));
    html! {
        @if acted.get("unchanged") == Some(&Value::Bool(true)) { p { "Nothing changes." } }
        ul { @for line in &summary { li { (line.as_str().unwrap_or_default()) } } }
        @if !check.is_empty() {
            h2 { "What check says" }
            ul { @for problem in &check { li { (text(problem, "path")) ": " (text(problem, "message")) } } }
        }
    }
}
