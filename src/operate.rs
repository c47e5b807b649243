//! What people and tools do to an experiment from the pages of results: the same as the tool's commands do, as changes of
//! texts. Reading and writing them is the caller's business.

mod answer;
mod note;
mod switch;
mod text;
mod token;

pub use answer::{Acted, Asked, Live, act};
pub use note::Note;
pub use switch::{Guard, Turned, told_of, turned, value_of};
pub use text::{decided, ramped};
pub use token::{SignedForm, confirms, share, shares};

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The control for everybody, at once.
    Kill,
    /// The end of that.
    Lift,
    /// Off for now: everybody keeps what they have for when it comes back.
    Pause,
    /// On: what was paused, or a draft.
    Resume,
    /// Another traffic.
    Ramp,
    /// What was decided, and why.
    Decide,
    /// A note in the audit trail.
    Comment,
    /// A new experiment, as a draft.
    Draft,
}

/// The word of the action that changes nothing: it makes a link to the results.
const SHARE: &str = "share";

/// Whether a word in the path is an action's.
#[must_use]
pub fn is_action(word: &str) -> bool {
    word == SHARE || Action::of(word).is_some()
}

impl Action {
    /// Every action, by its word in the path.
    pub const ALL: [(&str, Self); 8] = [
        ("kill", Self::Kill),
        ("lift", Self::Lift),
        ("pause", Self::Pause),
        ("resume", Self::Resume),
        ("ramp", Self::Ramp),
        ("decide", Self::Decide),
        ("comment", Self::Comment),
        ("draft", Self::Draft),
    ];

    /// The action of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, action)| *action)
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }

    /// Whether it changes the document, which git may hold.
    #[must_use]
    pub fn changes_document(self) -> bool {
        !matches!(self, Self::Kill | Self::Lift | Self::Comment)
    }
}
