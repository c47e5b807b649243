//! The operators and the words they take.

use std::cmp::Ordering;

/// The operators that join conditions; they stand beside facts.
pub(super) const JOINING: [&str; 4] = ["$and", "$or", "$nor", "$not"];

/// The operators that test one value; they stand under a fact.
pub(super) const TESTING: [(&str, Operator); 29] = [
    ("$eq", Operator::Equal),
    ("$ne", Operator::NotEqual),
    ("$in", Operator::In),
    ("$nin", Operator::NotIn),
    ("$ini", Operator::InFolded),
    ("$nini", Operator::NotInFolded),
    ("$all", Operator::All),
    ("$alli", Operator::AllFolded),
    ("$lt", Operator::Order(Relation::Less)),
    ("$lte", Operator::Order(Relation::AtMost)),
    ("$gt", Operator::Order(Relation::More)),
    ("$gte", Operator::Order(Relation::AtLeast)),
    ("$exists", Operator::Exists),
    ("$type", Operator::Type),
    ("$size", Operator::Size),
    ("$elemMatch", Operator::ElemMatch),
    ("$regex", Operator::Regex),
    ("$regexi", Operator::RegexFolded),
    ("$notRegex", Operator::NotRegex),
    ("$notRegexi", Operator::NotRegexFolded),
    ("$veq", Operator::Version(Relation::Equal)),
    ("$vne", Operator::VersionNotEqual),
    ("$vgt", Operator::Version(Relation::More)),
    ("$vgte", Operator::Version(Relation::AtLeast)),
    ("$vlt", Operator::Version(Relation::Less)),
    ("$vlte", Operator::Version(Relation::AtMost)),
    ("$inGroup", Operator::InGroup),
    ("$notInGroup", Operator::NotInGroup),
    ("$not", Operator::Not),
];

/// An operator that tests one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    In,
    NotIn,
    InFolded,
    NotInFolded,
    All,
    AllFolded,
    Order(Relation),
    Exists,
    Type,
    Size,
    ElemMatch,
    Regex,
    RegexFolded,
    NotRegex,
    NotRegexFolded,
    Version(Relation),
    VersionNotEqual,
    InGroup,
    NotInGroup,
    Not,
}

impl Operator {
    pub(super) fn named(word: &str) -> Option<Self> {
        TESTING.iter().find(|(name, _)| *name == word).map(|(_, operator)| *operator)
    }
}

/// How the left side stands to the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Relation {
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::AtLeast => order.is_ge(),
            Self::More => order.is_gt(),
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::More => ">",
        }
    }
}

/// Whether the case of letters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    Exact,
    Folded,
}

/// The types that `$type` names.
pub(super) const KINDS: [(&str, Kind); 6] = [
    ("string", Kind::Text),
    ("number", Kind::Number),
    ("boolean", Kind::Bool),
    ("null", Kind::Null),
    ("array", Kind::List),
    ("object", Kind::Object),
];

/// A type of values. An absent one counts as null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
    Null,
    List,
    Object,
}

impl Kind {
    pub(super) fn named(word: &str) -> Option<Self> {
        KINDS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind)
    }

    pub(super) fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

crate::pack::packed!(
    enum Relation {
        Less = 0,
        AtMost = 1,
        Equal = 2,
        AtLeast = 3,
        More = 4,
    }
);
crate::pack::packed!(
    enum Kind {
        Text = 0,
        Number = 1,
        Bool = 2,
        Null = 3,
        List = 4,
        Object = 5,
    }
);
crate::pack::packed!(
    enum Letters {
        Exact = 0,
        Folded = 1,
    }
);
