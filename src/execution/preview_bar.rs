//! The bar that a previewed page carries: which experiments are on it, what they show, and why.

use super::Intent;
use crate::document::Id;
use crate::plan::Plan;
use crate::sender::PreviewRequest;
use crate::url::Url;
use crate::visitor::preview::{self, Token};
use std::fmt::Write;

impl Intent {
    /// The bar's HTML, where the page is previewed. Everything in it is an id, a word of ours, or escaped.
    #[must_use]
    pub fn preview_bar(&self, plan: &Plan, secret: Option<&[u8]>) -> Option<String> {
        let PreviewRequest::Active(token) = &self.preview else { return None };
        Some(self.preview_bar_of(token, plan, secret))
    }

    #[inline(never)]
    fn preview_bar_of(&self, token: &Token, plan: &Plan, secret: Option<&[u8]>) -> String {
        let here = Url::split(&self.url);
        let mut bar = String::from(
            "<aside id=\"sortition-preview\" aria-label=\"Preview\" style=\"position:fixed;z-index:2147483647;left:0;\
             right:0;bottom:0;max-height:50vh;overflow:auto;direction:ltr;box-sizing:border-box;padding:.5em 1em;\
             font:14px/1.5 system-ui,sans-serif;text-align:left;color:#fff;background:#1b1b2f\">\
             <strong>Preview</strong>",
        );
        for decision in &self.decisions {
            let Some(e) = plan.experiments.get(decision.experiment) else { continue };
            let Some(experiment) = Id::new(&e.id) else { continue };
            // why: writing to a String cannot fail, here and below
            let _ = write!(bar, " · {} ({}):", e.id, decision.reason.as_str());
            for (at, variant) in e.variants.positioned() {
                let Some(id) = Id::new(&variant.id) else { continue };
                if decision.variant == Some(at) {
                    let _ = write!(bar, " <b aria-current=\"true\">{id}</b>");
                } else {
                    let link = link(&here, &token.with(&experiment, &id).write(secret));
                    let _ = write!(bar, " <a style=\"color:#9cf\" href=\"{link}\">{id}</a>");
                }
            }
        }
        let _ = write!(bar, " · <a style=\"color:#9cf\" href=\"{}\">end</a></aside>", link(&here, ""));
        bar
    }
}

fn link(here: &Url<'_>, token: &str) -> String {
    let mut query = String::new();
    for pair in here.query.split('&').filter(|pair| !pair.is_empty()) {
        query.push_str(pair);
        query.push('&');
    }
    escaped(&format!("{}?{query}{}={token}", here.own_path(), preview::NAME))
}

/// Text inside a double-quoted attribute.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match character {
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
        out
    })
}
