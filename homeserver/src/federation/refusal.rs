//! What is refused at the gate, and with which status. The codes are those of the reasons themselves: there are more of
//! them than clients ever see.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    error::Error,
    peers::{policy::Denied, signature::SignatureError},
    service::peers::PeerError,
    web::answer,
};

/// How long a peer is to wait where nothing better is known, in seconds.
const WAIT: u64 = 5;

/// What is told where a server's document could not be fetched, and for how many seconds to wait: it is not asked more
/// often.
const UNREACHABLE: &str = "unreachable";
const WAIT_UNREACHABLE: u64 = 15;

/// A request that no handler sees.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    /// What the answer says in place of `code`.
    told: Option<&'static str>,
    error: String,
    /// What only the log says.
    cause: Option<String>,
    retry_after: Option<u64>,
    /// Whether whoever sent it failed to show who they are: too many of these shut the source out for a while.
    pub(super) is_strange: bool,
}

impl Refusal {
    /// It will be refused again.
    pub(super) fn new(status: StatusCode, code: &'static str, error: impl Into<String>) -> Self {
        Self { status, code, told: None, error: error.into(), cause: None, retry_after: None, is_strange: false }
    }

    /// It may be taken a little later.
    pub(super) fn busy(code: &'static str, error: impl Into<String>) -> Self {
        Self { retry_after: Some(WAIT), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error) }
    }

    /// This server does not federate.
    pub(super) fn disabled() -> Self {
        let text = "this homeserver does not federate (its admin has not set federation.enabled = true)";
        Self::new(StatusCode::NOT_FOUND, "federation_disabled", text)
    }

    /// The nonce is not new.
    pub(super) fn replayed() -> Self {
        let text = "a request with this nonce has come already: each attempt must be signed anew";
        Self { is_strange: true, ..Self::new(StatusCode::UNAUTHORIZED, "replayed", text) }
    }

    /// Says so in the log and in the numbers.
    pub(super) fn report(&self) {
        let error = self.cause.as_ref().unwrap_or(&self.error);
        tracing::info!(code = self.code, error, "a request of another homeserver is refused");
        metrics::counter!("federation_refusals_total", "code" => self.code).increment(1);
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Self {
        let refusal = Self::new(StatusCode::UNAUTHORIZED, error.code(), error.to_string());
        Self { is_strange: true, ..refusal }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::Disabled => return Self::disabled(),
            Denied::Own => "own_server",
            Denied::Denied => "denied",
            Denied::NotAllowed => "not_allowed",
        };
        let text = format!("this homeserver does not speak to yours: {denied}");
        Self { is_strange: true, ..Self::new(StatusCode::FORBIDDEN, code, text) }
    }
}

/// The origin's key could not be had, or does not count.
impl From<PeerError> for Refusal {
    fn from(error: PeerError) -> Self {
        let (code, cause, is_key) = (error.code(), error.to_string(), matches!(error, PeerError::Key { .. }));
        if error.is_about_fetching() {
            let refusal = Self::busy(code, unfound(UNREACHABLE));
            let (told, retry_after) = (Some(UNREACHABLE), Some(WAIT_UNREACHABLE));
            return Self { told, cause: Some(cause), retry_after, is_strange: true, ..refusal };
        }
        let is_ours = matches!(error, PeerError::Store(_));
        let told = Error::from(error);
        let refusal = match told.details.retry_after {
            _ if is_ours => return told.into(),
            Some(seconds) if !is_key => Self { retry_after: Some(seconds), ..Self::busy(code, unfound(code)) },
            None if !is_key => Self::new(StatusCode::UNAUTHORIZED, code, unfound(code)),
            _ => Self::new(StatusCode::UNAUTHORIZED, code, told.message),
        };
        // Who comes while another asks for the same server does nothing wrong.
        Self { cause: Some(cause), is_strange: code != "busy", ..refusal }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if let Some(source) = &error.source {
            tracing::error!(error = format!("{source:#}"), code = error.code.as_str(), "a peer's request failed");
        }
        let refusal = Self::new(answer::status(error.code), error.code.as_str(), error.message);
        Self { retry_after: error.details.retry_after, ..refusal }
    }
}

/// It is not known who asks, so they do not learn what was called where, nor what came of it: who names servers that are
/// none must not scan the inside of our network through us.
fn unfound(code: &str) -> String {
    format!(
        "the keys of the server that missive-origin names could not be had ({code}): what it publishes must be there for \
         this homeserver to fetch"
    )
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.error, "code": self.told.unwrap_or(self.code) }));
        let mut response = (self.status, body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
