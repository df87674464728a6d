//! What every HTTP route and the WebSocket's share: who calls, how bodies are read, how answers are wrapped.

mod access;
pub(crate) mod answer;
mod extract;
pub(crate) mod request_id;
pub(crate) mod source;

use std::sync::Arc;

pub use access::{Caller, KeysRead, KeysWrite, MessagesRead, ProfileRead, ProfileWrite, bearer};
pub use answer::{Answer, Failure};
pub use extract::{JsonBody, PathOf, QueryOf};
pub use source::Source;

/// The application as handlers get it.
pub type Shared = Arc<crate::app::App>;
