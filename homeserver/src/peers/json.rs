//! JSON from other servers: read only where it is not nested deeper than anything that is meant.

use serde::de::DeserializeOwned;

/// How deep arrays and objects may be nested. What the protocol sends is not half as deep.
pub const DEPTH_MAX: usize = 16;

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Nested deeper than [`DEPTH_MAX`]; also in members that would be ignored.
    #[error("it is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// Not JSON, or not of the type.
    #[error("{0}")]
    Malformed(String),
}

/// Reads a value from JSON.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    check(text)?;
    serde_json::from_slice(text).map_err(|error| JsonError::Malformed(error.to_string()))
}

/// Refuses a text that is nested too deep, before it is read in another way.
pub fn check(text: &[u8]) -> Result<(), JsonError> {
    if depth(text) > DEPTH_MAX { Err(JsonError::TooDeep) } else { Ok(()) }
}

/// The deepest nesting of a text, whether it is JSON or not.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
