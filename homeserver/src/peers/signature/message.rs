//! What signed components are taken from.

use http::{HeaderMap, Method, StatusCode};
use missive_wire::ServerName;

/// A request as its caller and its receiver both see it, whatever proxy or base URL is in between.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The destination: `@target-uri` is `https://<server><path_and_query>`.
    pub server: &'a ServerName,
    /// From `/federation/v1` on.
    pub path_and_query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// An answer, and the request that it answers.
#[derive(Debug, Clone, Copy)]
pub struct AnswerHead<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What it answers, as it was sent.
    pub request: RequestHead<'a>,
}

/// A request or an answer.
#[derive(Debug, Clone, Copy)]
pub enum Message<'a> {
    /// A request.
    Request(RequestHead<'a>),
    /// An answer.
    Answer(AnswerHead<'a>),
}

impl<'a> Message<'a> {
    /// The headers of the message itself.
    pub(super) fn headers(&self) -> &'a HeaderMap {
        match self {
            Self::Request(head) => head.headers,
            Self::Answer(head) => head.headers,
        }
    }
}
