//! Rewrite steps: what each action needs, selectors, and what search engines read.

use super::http::has_control;
use super::protected;
use crate::document::{Action, Experiment, Problem, Protected, RewriteStep, Variant};

#[inline(never)]
pub(super) fn check(experiment: &Experiment, variant: &Variant, at: &str, problems: &mut Vec<Problem>) {
    for (index, step) in variant.rewrite.iter().enumerate() {
        let mut report = |field: &str, message: String| {
            problems.push(Problem::error(format!("{at}.rewrite[{index}]{field}"), message));
        };
        if let Some(message) = selector_problem(&step.select) {
            report(".select", message);
        } else {
            let refused: Vec<_> = protected::touched(step)
                .into_iter()
                .filter(|word| *word != Protected::H1 || experiment.seo.protect_h1)
                .filter(|word| !experiment.seo.allow.contains(word))
                .map(Protected::word)
                .collect();
            if !refused.is_empty() {
                report(
                    ".select",
                    format!(
                        "{:?} may touch what search engines read ({}): select something narrower, or name {} in `seo.allow`",
                        step.select,
                        refused.join(", "),
                        if refused.len() == 1 { "it" } else { "them" }
                    ),
                );
            }
        }
        operands(step, &mut report);
    }
}

/// What is wrong with a selector, if anything. Only where the rewriter's parser is at hand: in the operator's tool. In
/// the worker the rewriter itself refuses a bad one, and the step is left out.
#[cfg(not(target_arch = "wasm32"))]
fn selector_problem(select: &str) -> Option<String> {
    use lol_html::errors::SelectorError as E;
    let error = select.parse::<lol_html::Selector>().err()?;
    let advice = match error {
        E::EmptySelector => "write what to change, such as \"h1\"",
        E::UnsupportedCombinator(_) => {
            "only descendants (`a b`) and children (`a > b`) are known to a streaming rewriter"
        }
        E::UnsupportedPseudoClassOrElement => {
            "of pseudo-classes only :not(), :nth-child(), :first-child, :nth-of-type(), :first-of-type are known"
        }
        E::NamespacedSelector => "remove the namespace before `|`",
        _ => "correct it; values with other characters than letters need quotes",
    };
    let what = error.to_string();
    let what = what.trim_end_matches('.');
    Some(format!("{select:?} is not a selector of the rewriter ({what}): {advice}"))
}

#[cfg(target_arch = "wasm32")]
fn selector_problem(_: &str) -> Option<String> {
    None
}

/// Whether the action needs, takes or refuses `value`, `name` and `html`.
fn operands(step: &RewriteStep, report: &mut impl FnMut(&str, String)) {
    let word = step.action.word();
    let inserts =
        matches!(step.action, Action::Before | Action::After | Action::Prepend | Action::Append | Action::Replace);
    let names = matches!(step.action, Action::SetAttribute | Action::RemoveAttribute);
    let values = !matches!(step.action, Action::Remove | Action::RemoveAttribute);

    match &step.value {
        None if values => report(".value", format!("missing: `{word}` needs it")),
        Some(_) if !values => report(".value", format!("`{word}` takes no value: remove it")),
        Some(value) if matches!(step.action, Action::AddClass | Action::RemoveClass) && !is_class(value) => report(
            ".value",
            format!("{value:?} is not a class: write one, without blanks, and a step for each further one"),
        ),
        _ => {}
    }
    match &step.name {
        None if names => report(".name", format!("missing: `{word}` needs the attribute's name")),
        Some(_) if !names => report(".name", format!("`{word}` takes no name: remove it")),
        Some(name) if names && !is_attribute_name(name) => report(
            ".name",
            format!("{name:?} is not an attribute's name: use letters, digits and hyphens, such as \"data-test\""),
        ),
        _ => {}
    }
    // why: on `set_html` it says what is so anyway
    if step.html && !inserts && step.action != Action::SetHtml {
        report(
            ".html",
            match step.action {
                Action::SetText => "`set_text` escapes its value: use `set_html`".to_owned(),
                _ => format!("`{word}` inserts no HTML: remove `html`"),
            },
        );
    }
}

fn is_class(value: &str) -> bool {
    !value.is_empty() && !value.contains(char::is_whitespace) && !has_control(value)
}

/// Attribute names of the HTML standard, section 13.1.2.3, in ASCII.
fn is_attribute_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>/=".contains(&byte))
}
