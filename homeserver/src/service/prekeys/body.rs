//! Reading an upload: first that nothing in it could hold a private key, then its shape.

use missive_wire::Code;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// Parts of names that members with private keys have in the APIs of Signal libraries.
const PRIVATE: [&str; 4] = ["private", "secret", "keypair", "record"];

/// Reads a body of public keys.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let malformed = |error| Error::new(Code::Malformed, format!("the body is not as expected: {error}"));
    let value: Value = serde_json::from_slice(body).map_err(malformed)?;
    if !value.is_object() {
        return Err(Error::new(Code::Malformed, "the body is not as expected: it is no JSON object"));
    }
    if let Some(name) = private_member(&value) {
        return Err(Error::new(
            Code::PrivateKey,
            format!(
                "the member \"{name}\" could hold a private key: only public keys leave a device; nothing was kept"
            ),
        ));
    }
    serde_json::from_slice(body).map_err(malformed)
}

fn private_member(value: &Value) -> Option<&str> {
    match value {
        Value::Object(members) => members
            .iter()
            .find_map(|(name, value)| if is_private(name) { Some(name.as_str()) } else { private_member(value) }),
        Value::Array(items) => items.iter().find_map(private_member),
        _ => None,
    }
}

fn is_private(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    PRIVATE.iter().any(|part| plain.contains(part))
}
