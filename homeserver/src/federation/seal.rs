//! Signed answers: what a handler said, bound to the request that it answers.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Method, request::Parts},
    response::{IntoResponse as _, Response},
};
use missive_wire::{ServerName, Timestamp};

use crate::{
    error::Error,
    keys::federation::SigningKey,
    peers::signature::{Reply, RequestHead},
    web::Failure,
};

/// The largest answer: more than the bundles of all devices of an account.
const ANSWER_MAX_BYTES: usize = 2 * 1024 * 1024;

/// What an answer's signature needs of a request, kept while a handler has the request itself.
#[derive(Debug)]
pub(super) struct Asked {
    method: Method,
    path_and_query: String,
    headers: HeaderMap,
}

impl Asked {
    /// As the request came.
    pub(super) fn of(parts: &Parts) -> Self {
        let path_and_query = path_and_query(parts).to_owned();
        Self { method: parts.method.clone(), path_and_query, headers: parts.headers.clone() }
    }

    /// Signs the answer of `own` with `key` as of `now`; `label` is that of the request's signature.
    pub(super) async fn sign(
        &self,
        own: &ServerName,
        label: &str,
        answer: Response,
        key: &Arc<SigningKey>,
        now: Timestamp,
    ) -> Response {
        let mut answer = answer;
        if self.method == Method::HEAD {
            *answer.body_mut() = Body::empty();
        }
        let (mut head, body) = whole(answer).await;
        let request = RequestHead {
            method: &self.method,
            server: own,
            path_and_query: &self.path_and_query,
            headers: &self.headers,
        };
        let reply = Reply { request, label, status: head.status, body: &body };
        match reply.sign(key.id(), |base| key.sign(base), now) {
            Ok(headers) => {
                head.headers.extend(headers);
                Response::from_parts(head, body.into())
            }
            // A peer takes it for no answer, and asks again.
            Err(error) => Failure(Error::internal(error)).into_response(),
        }
    }
}

/// A request as it is signed.
pub(super) fn head<'a>(parts: &'a Parts, own: &'a ServerName) -> RequestHead<'a> {
    RequestHead { method: &parts.method, server: own, path_and_query: path_and_query(parts), headers: &parts.headers }
}

fn path_and_query(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("/", |path| path.as_str())
}

/// The answer and all of its body; that of a failure of ours where it is too large.
async fn whole(answer: Response) -> (axum::http::response::Parts, Bytes) {
    let (head, body) = answer.into_parts();
    match to_bytes(body, ANSWER_MAX_BYTES).await {
        Ok(body) => (head, body),
        Err(error) => {
            let (head, body) = Failure(Error::internal(error)).into_response().into_parts();
            (head, to_bytes(body, ANSWER_MAX_BYTES).await.unwrap_or_default())
        }
    }
}
