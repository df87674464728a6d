//! Structured fields (RFC 9651) of untrusted headers, in bounds.

use std::{collections::BTreeSet, convert::Infallible};

use http::HeaderMap;
use sfv::{
    Dictionary, FieldType as _, KeyRef, ListEntry, Parser,
    visitor::{DictionaryVisitor, EntryVisitor, Ignored},
};

use super::{HEADER_MAX_BYTES, MEMBERS_MAX, SignatureError};

/// The value of a header as it is signed: its lines trimmed and joined (RFC 9421 section 2.1). `None` without such a
/// header.
pub(super) fn field(headers: &HeaderMap, name: &str) -> Result<Option<String>, SignatureError> {
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let texts: Result<Vec<_>, _> = lines.map(|line| line.to_str().map(str::trim)).collect();
    texts.map(|texts| Some(texts.join(", "))).map_err(|_| SignatureError::Unprintable(name.to_owned()))
}

/// The bytes of a header, all its lines joined.
pub(super) fn size(headers: &HeaderMap, name: &str) -> usize {
    headers.get_all(name).iter().map(|line| line.len() + 2).sum()
}

/// A header that is a dictionary; refused when it is too large, or has two members of one name, of which readers could
/// take different ones. `None` without such a header.
pub(super) fn dictionary(headers: &HeaderMap, name: &'static str) -> Result<Option<Dictionary>, SignatureError> {
    if size(headers, name) > HEADER_MAX_BYTES {
        return Err(SignatureError::TooLarge(name));
    }
    let malformed = |_| SignatureError::Malformed(name);
    let Some(text) = field(headers, name).map_err(|_| SignatureError::Malformed(name))? else { return Ok(None) };
    let duplicate = Parser::new(&text).parse_dictionary_with_visitor(Names::default()).map_err(malformed)?;
    if let Some(label) = duplicate {
        return Err(SignatureError::DuplicateLabel { header: name, label });
    }
    let dictionary: Dictionary = Parser::new(&text).parse().map_err(malformed)?;
    if dictionary.len() > MEMBERS_MAX {
        return Err(SignatureError::TooMany(name));
    }
    Ok(Some(dictionary))
}

/// A member's value as it stands in the header, in the one way of writing it (RFC 9651 section 4.1).
pub(super) fn serialize(entry: ListEntry) -> String {
    vec![entry].serialize().unwrap_or_default()
}

/// Finds the first name that comes twice.
#[derive(Default)]
struct Names<'a> {
    seen: BTreeSet<&'a str>,
    duplicate: Option<String>,
}

impl<'a> DictionaryVisitor<'a> for Names<'a> {
    type Out = Option<String>;
    type Error = Infallible;

    fn entry(&mut self, name: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Infallible> {
        if !self.seen.insert(name.as_str()) {
            self.duplicate.get_or_insert_with(|| name.as_str().to_owned());
        }
        Ok(Ignored)
    }

    fn finish(self) -> Result<Option<String>, Infallible> {
        Ok(self.duplicate)
    }
}
