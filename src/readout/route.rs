//! Which page of the readout a request is for, or which action on an experiment.

use crate::document::Document;
use crate::operate;
use serde::Serialize;

/// Where the readout's pages are.
pub const ROOT: &str = "/_sortition/experiments";

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A page for people.
    Html,
    /// The same as data.
    Json,
    /// A download: a row a unit and outcome.
    Csv,
}

/// What is asked for, before the document is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "page", rename_all = "lowercase")]
pub enum Route {
    /// All experiments.
    List {
        /// Its form, which is no CSV.
        form: Form,
    },
    /// Something of a name: an experiment, or one of the pages about all of them.
    Named {
        /// The name.
        id: String,
        /// Its form.
        form: Form,
    },
    /// The picture of a variant.
    Picture {
        /// The experiment's id.
        id: String,
        /// The variant's.
        variant: String,
    },
    /// An action on an experiment.
    Action {
        /// The experiment's id.
        id: String,
        /// The action's word.
        action: String,
    },
    /// Nothing that there is, or not by this method.
    Problem {
        /// The status of the answer.
        status: u16,
        /// What it is.
        title: &'static str,
        /// What to do.
        detail: &'static str,
        /// The methods that the path takes, where it takes others.
        #[serde(skip_serializing_if = "Option::is_none")]
        allow: Option<&'static str>,
    },
}

/// Which tokens the worker has: what nobody could open does not exist.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokens {
    /// `ADMIN_TOKEN`, for the pages.
    pub admin: bool,
    /// `OPERATOR_TOKEN`, for actions, and for the data that tools act by.
    pub operator: bool,
}

/// What a name stands for in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An experiment of the document.
    Experiment,
    /// The holdout, read as an experiment.
    Holdout,
    /// The page over all decided experiments.
    Programme,
    /// The page of all pairs of experiments.
    Interactions,
    /// Perhaps an experiment that has left the document: the archive may know it.
    Archived,
}

impl Route {
    /// What a request asks for. `path` begins with [`ROOT`].
    #[must_use]
    pub fn of(method: &str, path: &str, tokens: Tokens) -> Self {
        let known = path.strip_prefix(ROOT).and_then(Self::below).filter(|route| route.is_there(tokens));
        let Some(route) = known else {
            let detail = if tokens.operator {
                "there is no such page or action; see docs/readout.md"
            } else {
                "there are experiments, experiments.json, and experiments/ID with .json and .csv"
            };
            return Self::Problem { status: 404, title: "Not found", detail, allow: None };
        };
        let (methods, allow, detail): (&[&str], _, _) = match route {
            Self::Action { .. } => (&["POST"], "POST", "use POST"),
            _ => (&["GET", "HEAD"], "GET, HEAD", "use GET or HEAD"),
        };
        if methods.contains(&method) {
            return route;
        }
        Self::Problem { status: 405, title: "Method not allowed", detail, allow: Some(allow) }
    }

    fn is_there(&self, tokens: Tokens) -> bool {
        match self {
            Self::Action { .. } => tokens.operator,
            Self::List { form: Form::Json } | Self::Named { form: Form::Json, .. } => tokens.admin || tokens.operator,
            _ => tokens.admin,
        }
    }

    fn below(place: &str) -> Option<Self> {
        let Some(place) = place.strip_prefix('/') else {
            return match form(place)? {
                Form::Csv => None,
                form => Some(Self::List { form }),
            };
        };
        if let Some((id, picture)) = place.split_once("/screens/") {
            let variant = picture.strip_suffix(".png")?;
            return (is_id(id) && is_id(variant))
                .then(|| Self::Picture { id: id.to_owned(), variant: variant.to_owned() });
        }
        if let Some((id, action)) = place.split_once('/') {
            return (is_id(id) && operate::is_action(action))
                .then(|| Self::Action { id: id.to_owned(), action: action.to_owned() });
        }
        let at = place.find('.').unwrap_or(place.len());
        let (id, ending) = place.split_at_checked(at)?;
        let form = form(ending)?;
        is_id(id).then(|| Self::Named { id: id.to_owned(), form })
    }
}

impl Subject {
    /// What a name stands for. An experiment of the document comes before the pages about all of them.
    #[must_use]
    pub fn of(document: &Document, name: &str, form: Form) -> Self {
        let is_experiment =
            |e: &crate::document::Experiment| e.id.as_str() == name && e.kind == crate::document::Kind::Experiment;
        match name {
            _ if document.experiments.iter().any(is_experiment) => Self::Experiment,
            "holdout" => Self::Holdout,
            "programme" if form == Form::Html => Self::Programme,
            "interactions" if form == Form::Html => Self::Interactions,
            _ => Self::Archived,
        }
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Experiment => "experiment",
            Self::Holdout => "holdout",
            Self::Programme => "programme",
            Self::Interactions => "interactions",
            Self::Archived => "archived",
        }
    }
}

fn form(ending: &str) -> Option<Form> {
    match ending {
        "" => Some(Form::Html),
        ".json" => Some(Form::Json),
        ".csv" => Some(Form::Csv),
        _ => None,
    }
}

fn is_id(text: &str) -> bool {
    crate::document::Id::new(text).is_some()
}
