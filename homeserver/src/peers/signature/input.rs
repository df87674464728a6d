//! A member of `Signature-Input`: what a signature covers, its parameters, and the bytes that are signed.

use std::fmt;

use sfv::{BareItem, InnerList, Item, KeyRef, ListEntry, Parameters, Parser};

use super::{
    COVERED_MEMBERS_MAX, Component, MEMBERS_MAX, Message, PARAMETER_MAX, SignatureError, structured::serialize,
};

/// What a signature covers, and its parameters. All parameters are kept, known or not, in the order in which they came:
/// they are signed as they stand (RFC 9421 section 2.3).
#[derive(Debug, Clone)]
pub struct Input {
    covered: Vec<Component>,
    parameters: Parameters,
    /// The value of `@signature-params`.
    text: String,
}

impl Input {
    /// Reads a member's value, like `("@method" "@path");created=1618884473`.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let malformed = || SignatureError::Malformed("signature-input");
        let mut members = Parser::new(text).parse::<sfv::List>().map_err(|_| malformed())?.into_iter();
        match (members.next(), members.next()) {
            (Some(ListEntry::InnerList(list)), None) => Self::read(list),
            _ => Err(malformed()),
        }
    }

    pub(super) fn read(list: InnerList) -> Result<Self, SignatureError> {
        if list.items.len() > MEMBERS_MAX || list.params.len() > MEMBERS_MAX {
            return Err(SignatureError::TooMany("signature-input"));
        }
        let mut covered: Vec<Component> = Vec::with_capacity(list.items.len());
        for item in &list.items {
            let component = Component::read(item)?;
            if covered.iter().any(|other| other.same(&component)) {
                return Err(SignatureError::DuplicateComponent(component.as_str().to_owned()));
            }
            covered.push(component);
        }
        if covered.iter().filter(|component| component.is_member()).count() > COVERED_MEMBERS_MAX {
            return Err(SignatureError::TooManyCoveredMembers);
        }
        let parameters = list.params.clone();
        Ok(Self { covered, parameters, text: serialize(ListEntry::InnerList(list)) })
    }

    pub(super) fn new(covered: &[Component], parameters: Parameters) -> Result<Self, SignatureError> {
        let items: Result<Vec<Item>, _> = covered.iter().map(|one| Parser::new(one.as_str()).parse()).collect();
        let items = items.map_err(|_| SignatureError::Unsignable("a component"))?;
        Self::read(InnerList::with_params(items, parameters))
    }

    /// The text that is signed (RFC 9421 section 2.5).
    pub fn base(&self, message: &Message) -> Result<String, SignatureError> {
        let mut base = String::new();
        for component in &self.covered {
            base.push_str(component.as_str());
            base.push_str(": ");
            base.push_str(&component.value(message)?);
            base.push('\n');
        }
        base.push_str("\"@signature-params\": ");
        base.push_str(&self.text);
        Ok(base)
    }

    pub(super) fn must_cover(&self, wanted: &Component) -> Result<(), SignatureError> {
        if self.covered.iter().any(|component| component.same(wanted)) {
            Ok(())
        } else {
            Err(SignatureError::MissingComponent(wanted.as_str().to_owned()))
        }
    }

    /// A parameter that is a text of 1 to [`PARAMETER_MAX`] characters.
    pub(super) fn text(&self, name: &'static str) -> Result<&str, SignatureError> {
        let text = self.parameter(name)?.as_string().ok_or(SignatureError::InvalidParameter(name))?.as_str();
        if (1..=PARAMETER_MAX).contains(&text.len()) { Ok(text) } else { Err(SignatureError::InvalidParameter(name)) }
    }

    /// A parameter that is a time, in seconds since the epoch.
    pub(super) fn seconds(&self, name: &'static str) -> Result<i64, SignatureError> {
        let integer = self.parameter(name)?.as_integer().ok_or(SignatureError::InvalidParameter(name))?;
        Ok(i64::from(integer))
    }

    fn parameter(&self, name: &'static str) -> Result<&BareItem, SignatureError> {
        self.parameters.get(name).ok_or(SignatureError::MissingParameter(name))
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parameters in this order.
pub(super) fn parameters<const N: usize>(list: [(&'static KeyRef, BareItem); N]) -> Parameters {
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A text as a parameter's value.
pub(super) fn string(name: &'static str, text: &str) -> Result<BareItem, SignatureError> {
    let usable = (1..=PARAMETER_MAX).contains(&text.len());
    match sfv::String::from_string(text.to_owned()) {
        Ok(text) if usable => Ok(text.into()),
        _ => Err(SignatureError::Unsignable(name)),
    }
}

/// Seconds since the epoch as a parameter's value.
pub(super) fn integer(name: &'static str, seconds: i64) -> Result<BareItem, SignatureError> {
    sfv::Integer::try_from(seconds).map(BareItem::from).map_err(|_| SignatureError::Unsignable(name))
}
