//! Where an experiment is: whether a URL is one of its pages, and whether two experiments may meet on a page.

use super::http::Destination;
use super::http::without_port;
use crate::document::{Experiment, Page, PageMatch, PageSubject};
use regex_lite::Regex;

/// One character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// This character.
    Just(char),
    /// Any one character.
    One,
    /// Any run of characters.
    Run,
}

/// A text with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(Vec<Piece>);

impl Pattern {
    fn glob(text: &str) -> Self {
        Self(
            text.chars()
                .map(|c| match c {
                    '*' => Piece::Run,
                    '?' => Piece::One,
                    c => Piece::Just(c),
                })
                .collect(),
        )
    }

    fn plain(text: &str) -> Self {
        Self(text.chars().map(Piece::Just).collect())
    }

    fn after_any(mut self) -> Self {
        self.0.insert(0, Piece::Run);
        self
    }

    fn before_any(mut self) -> Self {
        self.0.push(Piece::Run);
        self
    }

    /// Whether the whole text matches. On a mismatch only the last run takes one character more, which bounds the time
    /// to the product of the two lengths and gives up early on most texts.
    fn matches(&self, text: &str) -> bool {
        let (mut pieces, mut letters) = (self.0.iter(), text.chars());
        let mut retry: Option<(std::slice::Iter<'_, Piece>, std::str::Chars<'_>)> = None;
        loop {
            let here = letters.clone();
            let fits = match pieces.next() {
                Some(Piece::Run) => {
                    retry = Some((pieces.clone(), here));
                    continue;
                }
                Some(Piece::One) => letters.next().is_some(),
                Some(Piece::Just(letter)) => letters.next() == Some(*letter),
                None if here.as_str().is_empty() => return true,
                None => false,
            };
            if !fits {
                let Some((after, from)) = &mut retry else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pieces, letters) = (after.clone(), from.clone());
            }
        }
    }

    /// Whether some text matches both patterns: dynamic programming, a row for each piece of this one, whose column `j`
    /// says whether the pieces so far have a text in common with the other's first `j`.
    fn meets(&self, other: &Self) -> bool {
        // why: most pairs differ before their first wildcard or after their last, and a thousand experiments on one
        // element are half a million pairs
        if !may_agree(self.0.iter(), other.0.iter()) || !may_agree(self.0.iter().rev(), other.0.iter().rev()) {
            return false;
        }
        let at = |row: &[bool], column: usize| row.get(column).copied().unwrap_or(false);
        let mut row: Vec<bool> =
            (0..=other.0.len()).map(|j| other.0.iter().take(j).all(|piece| *piece == Piece::Run)).collect();
        for piece in &self.0 {
            let mut below = vec![at(&row, 0) && *piece == Piece::Run];
            for (j, theirs) in other.0.iter().enumerate() {
                below.push(match (piece, theirs) {
                    // a run takes nothing, or one more of the other
                    (Piece::Run, _) | (_, Piece::Run) => at(&row, j + 1) || at(&below, j),
                    (Piece::Just(a), Piece::Just(b)) => at(&row, j) && a == b,
                    (Piece::One, _) | (_, Piece::One) => at(&row, j),
                });
            }
            row = below;
        }
        at(&row, other.0.len())
    }
}

/// Whether the pieces up to the first run of either can be the same characters.
fn may_agree<'a>(ours: impl Iterator<Item = &'a Piece>, theirs: impl Iterator<Item = &'a Piece>) -> bool {
    ours.zip(theirs)
        .take_while(|pair| !matches!(pair, (Piece::Run, _) | (_, Piece::Run)))
        .all(|pair| !matches!(pair, (Piece::Just(a), Piece::Just(b)) if a != b))
}

/// A page rule, prepared.
#[derive(Debug)]
enum Rule {
    Path(Pattern),
    Url(Pattern),
    PathRegex(Regex),
    UrlRegex(Regex),
    /// On the query, which a redirect keeps and nobody can foresee.
    Query,
    /// Not to be read; its problem is reported where it stands.
    Broken,
}

impl Rule {
    fn new(page: &Page) -> Self {
        match page {
            Page::Glob(glob) => Self::Path(Pattern::glob(glob)),
            Page::Rule(rule) if rule.of == PageSubject::Query => Self::Query,
            Page::Rule(PageMatch { regex: Some(regex), of, .. }) => match (Regex::new(regex), of) {
                (Ok(regex), PageSubject::Url) => Self::UrlRegex(regex),
                (Ok(regex), _) => Self::PathRegex(regex),
                (Err(_), _) => Self::Broken,
            },
            Page::Rule(rule) => {
                let pattern = if let Some(text) = &rule.exact {
                    Pattern::plain(text)
                } else if let Some(text) = &rule.prefix {
                    Pattern::plain(text).before_any()
                } else if let Some(text) = &rule.suffix {
                    Pattern::plain(text).after_any()
                } else if let Some(text) = &rule.contains {
                    Pattern::plain(text).before_any().after_any()
                } else if let Some(text) = &rule.glob {
                    Pattern::glob(text)
                } else {
                    return Self::Broken;
                };
                if rule.of == PageSubject::Url { Self::Url(pattern) } else { Self::Path(pattern) }
            }
        }
    }
}

/// Where an experiment is.
#[derive(Debug)]
pub(super) struct Reach {
    hosts: Vec<Pattern>,
    /// The host that stands for a path's own, where URLs are compared.
    some_host: String,
    pages: Vec<Rule>,
    except: Vec<Rule>,
    methods: Vec<String>,
}

impl Reach {
    pub(super) fn of(experiment: &Experiment) -> Self {
        let hosts: Vec<String> = experiment.hosts.iter().map(|host| without_port(host).to_ascii_lowercase()).collect();
        Self {
            hosts: hosts.iter().map(|host| Pattern::glob(host)).collect(),
            some_host: hosts.iter().find(|host| !host.contains('*')).cloned().unwrap_or_default(),
            pages: experiment.pages.iter().map(Rule::new).collect(),
            except: experiment.except_pages.iter().map(Rule::new).collect(),
            methods: experiment.methods.iter().map(|method| method.to_ascii_uppercase()).collect(),
        }
    }

    /// Whether a redirect that leads there, from a page of the same site, leads to a page of the experiment.
    pub(super) fn holds(&self, place: &Destination) -> bool {
        let here = |host: &str| self.hosts.is_empty() || self.hosts.iter().any(|own| own.matches(host));
        if !place.host.as_deref().is_none_or(here) {
            return false;
        }
        let url = || {
            let query = if place.query.is_empty() { String::new() } else { format!("?{}", place.query) };
            format!("https://{}{}{query}", place.host.as_deref().unwrap_or(&self.some_host), place.path)
        };
        let applies = |rule: &Rule, query_applies: bool| match rule {
            Rule::Path(pattern) => pattern.matches(&place.path),
            Rule::Url(pattern) => pattern.matches(&url()),
            Rule::PathRegex(regex) => regex.is_match(&place.path),
            Rule::UrlRegex(regex) => regex.is_match(&url()),
            Rule::Query => query_applies,
            Rule::Broken => false,
        };
        (self.pages.is_empty() || self.pages.iter().any(|rule| applies(rule, true)))
            && !self.except.iter().any(|rule| applies(rule, false))
    }

    /// Whether there may be a request that both experiments are on. Where regular expressions, queries or exceptions
    /// decide, it is taken to be so.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let share = |own: &[Pattern], theirs: &[Pattern]| {
            own.is_empty() || theirs.is_empty() || own.iter().any(|a| theirs.iter().any(|b| a.meets(b)))
        };
        let methods = self.methods.is_empty()
            || other.methods.is_empty()
            || self.methods.iter().any(|method| other.methods.contains(method));
        let pages = self.pages.is_empty()
            || other.pages.is_empty()
            || self.pages.iter().any(|a| {
                other.pages.iter().any(|b| match (a, b) {
                    (Rule::Path(a), Rule::Path(b)) | (Rule::Url(a), Rule::Url(b)) => a.meets(b),
                    (Rule::Broken, _) | (_, Rule::Broken) => false,
                    _ => true,
                })
            });
        methods && pages && share(&self.hosts, &other.hosts)
    }
}
