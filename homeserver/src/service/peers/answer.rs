//! What another server's signed answer means, where it is not what was asked for.

use http::StatusCode;
use missive_wire::{Code, ErrorBody, ServerName};

use crate::{
    error::{Error, Result},
    peers::{call::Answer, json},
};

/// The most characters of another server's sentence that are passed on.
const SENTENCE: usize = 200;

/// Seconds to wait where the other server names none, and at the most: whoever waits gives up otherwise.
const WAIT: u64 = 15;
const WAIT_MAX: u64 = 10 * 60;

/// Passes on why another server refuses. Few of its codes count here: it must not end a user's session by saying so, and
/// its failures are not this server's.
pub fn check_answer(server: &ServerName, answer: &Answer) -> Result<()> {
    if answer.status.is_success() {
        return Ok(());
    }
    let said = json::read::<ErrorBody>(&answer.body).ok();
    let text = match said.as_ref().map(|said| sentence(&said.error)) {
        Some(sentence) if !sentence.is_empty() => format!("{server} says: {sentence}"),
        _ => format!("{server} refuses, with status {}", answer.status.as_u16()),
    };
    let code = said.as_ref().map_or(Code::Refused, |said| said.code);
    let wait = said.and_then(|said| said.details.retry_after);
    let later = |code| Error::temporary(code, text.as_str(), wait.unwrap_or(WAIT).clamp(1, WAIT_MAX));
    Err(match code {
        Code::RateLimited => later(Code::RateLimited),
        _ if wait.is_some() || passes(answer.status) => later(Code::UnknownServer),
        Code::NotFound | Code::NoKeys | Code::ReceiverGone => Error::new(code, text),
        _ => Error::new(Code::Refused, text),
    })
}

/// A request is signed anew when it comes again, so that it may be believed then.
fn passes(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS)
}

/// A sentence as it may stand in a terminal: short, on one line, and in no other direction.
fn sentence(text: &str) -> String {
    let is_plain = |character: &char| character.is_alphanumeric() || character.is_ascii_graphic() || *character == ' ';
    text.chars().filter(is_plain).take(SENTENCE).collect::<String>().trim().to_owned()
}
