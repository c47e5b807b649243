//! What a browser's people were given, remembered without a cookie: by the words of the contract, not by the engine's.

use super::history::Seen;
use sortition_engine::decide::{Decision, Reason};
use sortition_engine::document::UnitKind;
use sortition_engine::plan::{ExperimentAt, VariantAt};
use std::collections::{BTreeMap, BTreeSet};

/// The outcome that stays: a variant, or held out.
type Given = Option<VariantAt>;

/// Whom a unit is of, in the memory: a user, or nobody who is logged in.
type Whose = Option<String>;

#[derive(Default)]
pub(crate) struct Memory {
    /// Of experiments of visitors and sessions: by experiment, for sessions with the session.
    of_browser: BTreeMap<(ExperimentAt, Option<String>), Given>,
    /// Of experiments of users: by experiment and user; nobody: whoever was not logged in, until a user takes it along.
    of_people: BTreeMap<(ExperimentAt, Whose), Given>,
    /// Of those what was assigned by the visitor id, which has one variant whoever takes it along.
    by_visitor: BTreeSet<(ExperimentAt, Whose)>,
    last_user: Option<String>,
    exposed: BTreeSet<(ExperimentAt, String)>,
    rested: BTreeSet<(ExperimentAt, Option<String>)>,
}

impl Memory {
    /// What the person was given before, and by whom it is remembered.
    fn given(&self, seen: &Seen<'_>, experiment: ExperimentAt) -> Option<(Given, Option<String>)> {
        if !seen.is_of_users(experiment) {
            let is_session = seen.plan.experiments.get(experiment).unwrap().unit == UnitKind::Session;
            let session = if is_session { Some(seen.session.clone()?) } else { None };
            return self.of_browser.get(&(experiment, session)).map(|given| (*given, None));
        }
        let whose = seen.user.clone().or(self.last_user.clone());
        let own = self.of_people.get(&(experiment, whose.clone())).map(|given| (*given, whose));
        let unclaimed = own.or_else(|| self.of_people.get(&(experiment, None)).map(|given| (*given, None)));
        unclaimed.or_else(|| {
            let taken = self.by_visitor.iter().find(|(index, _)| *index == experiment && seen.user.is_none())?;
            self.of_people.get(taken).map(|given| (*given, None))
        })
    }

    /// The laws.
    pub(crate) fn check(&mut self, seen: &Seen<'_>, met: &mut BTreeMap<&'static str, u32>, log: &[String]) {
        let mut note = |what: &'static str| *met.entry(what).or_insert(0) += 1;
        // why: where nothing asks who somebody is, nothing is written down
        let asks = seen.decisions.iter().any(|decision| decision.reason.depends_on_visitor());
        if let Some(user) = seen.user.as_ref().filter(|_| seen.consents && asks) {
            self.claim(seen, user);
        }
        let mut in_layer = Vec::new();
        for decision in seen.decisions {
            let (index, reason) = (decision.experiment, decision.reason);
            let e = seen.plan.experiments.get(index).unwrap();
            let at = || format!("{} {decision:?}\n{}", e.id, log.join("\n"));
            note(reason.as_str());
            let before = self.given(seen, index);
            match &before {
                Some((Some(variant), _)) => {
                    if reason == Reason::Split {
                        panic!("split anew, had {variant:?}: {}", at());
                    }
                    if reason == Reason::Sticky {
                        assert_eq!(decision.variant, Some(*variant), "another variant: {}", at());
                        self.note_kept(seen, decision, &mut note);
                    } else {
                        let is_own =
                            |whose: &Whose| whose.is_some() && *whose == seen.user.clone().or(self.last_user.clone());
                        let unclaimed =
                            seen.is_of_users(index) && !before.as_ref().is_some_and(|(_, whose)| is_own(whose));
                        let rests =
                            matches!(reason, Reason::Killed | Reason::Paused | Reason::NoConsent | Reason::Requires);
                        let lost = reason == Reason::Conflict && self.is_kept(seen, decision.evidence.other);
                        // why: what nobody took along gives way to what the user has in the same layer
                        let gives_way = unclaimed && e.layer.is_some();
                        assert!(rests || lost || gives_way, "had {variant:?}: {}", at());
                        self.rested.insert((index, seen.user.clone()));
                    }
                }
                Some((None, _)) => {
                    assert!(!Seen::acts(reason), "was held out: {}", at());
                    if reason == Reason::Holdout
                        && decision.evidence.holdout.is_some_and(|b| b.get() >= seen.plan.holdout.below)
                    {
                        note("held out after the holdout");
                    }
                }
                None if reason == Reason::Sticky => panic!("keeps what was never given: {}", at()),
                None => {}
            }
            if Seen::acts(reason) && e.layer.is_some() {
                in_layer.push(index);
            }
            let stays = match reason {
                Reason::Split => Some(decision.variant),
                Reason::Holdout if before.is_none() => Some(None),
                _ => None,
            };
            if let Some(given) = stays {
                self.remember(seen, index, given);
            }
        }
        assert!(in_layer.len() <= 1, "in {in_layer:?} of a layer:\n{}", log.join("\n"));
        for &experiment in seen.exposed {
            let (_, whose) = self.given(seen, experiment).expect("only what was given is exposed");
            let is_session = seen.plan.experiments.get(experiment).unwrap().unit == UnitKind::Session;
            let is_visitors = self.by_visitor.contains(&(experiment, whose.clone()));
            let unit = whose
                .filter(|_| !is_visitors)
                .or_else(|| seen.session.clone().filter(|_| is_session))
                .unwrap_or_default();
            assert!(self.exposed.insert((experiment, unit.clone())), "exposed twice to {unit}:\n{}", log.join("\n"));
        }
        if let Some(user) = &seen.user
            && seen.consents
            && self.of_people.keys().any(|(_, whose)| whose.as_ref() == Some(user))
        {
            self.last_user = Some(user.clone());
        }
    }

    fn remember(&mut self, seen: &Seen<'_>, experiment: ExperimentAt, given: Given) {
        if seen.is_of_users(experiment) {
            self.of_people.insert((experiment, seen.user.clone()), given);
            if seen.user.is_none() {
                self.by_visitor.insert((experiment, None));
            }
        } else {
            let is_session = seen.plan.experiments.get(experiment).unwrap().unit == UnitKind::Session;
            let session = seen.session.clone().filter(|_| is_session);
            self.of_browser.insert((experiment, session), given);
        }
    }

    /// A user takes along what somebody without a login was given, where they have nothing of their own.
    fn claim(&mut self, seen: &Seen<'_>, user: &str) {
        let unclaimed: Vec<ExperimentAt> =
            self.of_people.keys().filter(|(_, whose)| whose.is_none()).map(|(experiment, _)| *experiment).collect();
        // why: what they take along at once stood side by side before
        let before = self.of_people.clone();
        for experiment in unclaimed {
            let own = (experiment, Some(user.to_owned()));
            let layer = seen.plan.experiments.get(experiment).unwrap().layer.map(|part| part.layer);
            let is_in_layer = layer.is_some_and(|layer| {
                seen.plan.layers[layer].iter().any(|&other| {
                    let given = before.get(&(other, Some(user.to_owned())));
                    other != experiment && given.is_some_and(Option::is_some)
                })
            });
            if !self.of_people.contains_key(&own) && !is_in_layer {
                let given = self.of_people.remove(&(experiment, None)).unwrap();
                if self.by_visitor.remove(&(experiment, None)) {
                    self.by_visitor.insert(own.clone());
                }
                self.of_people.insert(own, given);
            }
        }
    }

    fn is_kept(&self, seen: &Seen<'_>, other: Option<ExperimentAt>) -> bool {
        other.and_then(|other| self.given(seen, other)).is_some_and(|(given, _)| given.is_some())
    }

    /// What the assignment was kept in spite of.
    fn note_kept(&mut self, seen: &Seen<'_>, decision: &Decision, note: &mut impl FnMut(&'static str)) {
        if seen.is_of_users(decision.experiment) {
            match (&seen.user, decision.evidence.unit) {
                (Some(_), Some(UnitKind::Visitor)) => note("kept after login"),
                (None, Some(UnitKind::User)) => note("kept after logout"),
                _ => {}
            }
            let others = self.of_people.keys().filter(|(index, _)| *index == decision.experiment).count();
            if others > 1 {
                note("of another user");
            }
        }
        if self.rested.remove(&(decision.experiment, seen.user.clone())) {
            note("came back after a rest");
        }
        match seen.anew.iter().find(|anew| anew.experiment == decision.experiment).map(|anew| anew.reason) {
            Some(Reason::Audience) => note("kept outside the audience"),
            Some(Reason::Holdout) => note("kept in the holdout"),
            Some(Reason::Traffic) => note("kept outside the traffic"),
            Some(Reason::Layer) => note("kept outside its slots"),
            _ => {}
        }
    }
}
