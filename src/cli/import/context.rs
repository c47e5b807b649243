//! What a reader of payloads may ask of the person who imports: the map of attributes, the time, and what no payload says.

use super::attribute::{Attribute, Attributes};
use super::flag::Refusal;
use super::{Arguments, Layout, Vendor};
use crate::cli::{Failure, clock, input};
use crate::document::Timestamp;

/// What a reader of payloads may ask.
pub(super) struct Context {
    pub(super) attributes: Attributes,
    pub(super) now: Timestamp,
    pub(super) layout: Option<Layout>,
    pub(super) variant_seed: u32,
}

impl Context {
    /// What these arguments say.
    pub(super) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let mut attributes = match &arguments.attributes {
            Some(file) => Attributes::parse(&input::read(file)?)
                .map_err(|message| Failure::Usage(format!("the map of attributes {file}: {message}")))?,
            None => Attributes::default(),
        };
        attributes.default_to(arguments.vendor.unit(), "visitor_id");
        let now = clock::at(arguments.at.as_deref())?;
        Ok(Self { attributes, now, layout: arguments.layout, variant_seed: arguments.variant_seed })
    }

    /// The unit that the tool's main attribute is here.
    pub(super) fn main_unit(&self, vendor: Vendor) -> Result<&'static str, Refusal> {
        self.unit("", vendor.unit())
    }

    /// The unit that an attribute is here.
    pub(super) fn unit(&self, path: &str, name: &str) -> Result<&'static str, Refusal> {
        self.attributes.unit(name).ok_or_else(|| match self.attributes.get(name) {
            Some(attribute) => Refusal::new(
                path,
                format!("it assigns by `{name}`, and `{}` is no unit here", attribute.fact),
                "map it to visitor_id, user_id or session_id, or keep the flag with the old tool",
            ),
            None => Refusal::new(
                path,
                format!("it assigns by the attribute `{name}`, which is not mapped to a unit"),
                format!(
                    "map it in --attributes to visitor_id, user_id or session_id, such as {{\"{name}\": \"user_id\"}}"
                ),
            ),
        })
    }

    pub(super) fn attribute(&self, path: &str, name: &str) -> Result<&Attribute, Refusal> {
        self.attributes.get(name).ok_or_else(|| Refusal::unmapped(path, name))
    }
}
