//! The one signature of a message that bears our tag: found, read, made.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, ListEntry};

use super::{ALGORITHM, BodyDigest, Input, LABEL, Message, SignatureError, TAG, structured::dictionary};

pub(super) const SIGNATURE_INPUT: &str = "signature-input";
pub(super) const SIGNATURE: &str = "signature";

/// A tagged signature whose components are all in the message. Not yet verified.
#[derive(Debug, Clone)]
pub(super) struct Tagged {
    pub(super) label: String,
    pub(super) input: Input,
    pub(super) digest: BodyDigest,
    base: String,
    signature: Signature,
}

impl Tagged {
    /// Finds it, by its tag alone; what else is signed is ignored.
    pub(super) fn read(message: &Message) -> Result<Self, SignatureError> {
        let headers = message.headers();
        let inputs = dictionary(headers, SIGNATURE_INPUT)?.ok_or(SignatureError::Unsigned)?;
        let (label, input) = only_tagged(inputs)?;
        let signature = signature(headers, &label)?;
        if input.text("alg")? != ALGORITHM {
            return Err(SignatureError::WrongAlgorithm(input.text("alg")?.to_owned()));
        }
        let base = input.base(message)?;
        Ok(Self { label, input, digest: BodyDigest::read(headers)?, base, signature })
    }

    /// Checks the signature; of several encodings of a point or a number, only the one that is usual is accepted.
    pub(super) fn verify(&self, key: &VerifyingKey) -> Result<(), SignatureError> {
        let verified = key.verify_strict(self.base.as_bytes(), &self.signature);
        verified.map_err(|_| SignatureError::WrongSignature)
    }
}

/// Signs a message and adds both headers.
pub(super) fn sign(
    headers: &mut HeaderMap,
    input: &Input,
    base: &str,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> Result<(), SignatureError> {
    let signature = STANDARD.encode(sign(base.as_bytes()));
    insert(headers, SIGNATURE_INPUT, &format!("{LABEL}={input}"))?;
    insert(headers, SIGNATURE, &format!("{LABEL}=:{signature}:"))
}

/// Sets a header.
pub(super) fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), SignatureError> {
    let value = HeaderValue::from_str(value).map_err(|_| SignatureError::Unsignable(name))?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

fn only_tagged(inputs: Dictionary) -> Result<(String, Input), SignatureError> {
    let tagged = |entry: &ListEntry| match entry {
        ListEntry::InnerList(list) => {
            list.params.get("tag").and_then(BareItem::as_string).is_some_and(|tag| tag.as_str() == TAG)
        }
        ListEntry::Item(_) => false,
    };
    let mut found = inputs.into_iter().filter(|(_, entry)| tagged(entry));
    match (found.next(), found.next()) {
        (Some((label, ListEntry::InnerList(list))), None) => Ok((label.as_str().to_owned(), Input::read(list)?)),
        (Some(_), Some(_)) => Err(SignatureError::SeveralTagged),
        _ => Err(SignatureError::NotTagged),
    }
}

fn signature(headers: &HeaderMap, label: &str) -> Result<Signature, SignatureError> {
    let missing = || SignatureError::NoSignature(label.to_owned());
    let members = dictionary(headers, SIGNATURE)?.ok_or_else(missing)?;
    let Some(ListEntry::Item(item)) = members.get(label) else { return Err(missing()) };
    let bytes = item.bare_item.as_byte_sequence().ok_or_else(missing)?;
    Signature::from_slice(bytes).map_err(|_| missing())
}
