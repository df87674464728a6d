//! The body of a verified server's request, read as it comes and held against what was signed.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
        request::Parts,
    },
};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use missive_wire::TRANSACTION_MAX_BYTES;
use tokio::time::timeout;

use super::refusal::Refusal;
use crate::peers::signature::BodyDigest;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body, as it was signed.
pub(super) async fn read(parts: &Parts, body: Body, digest: &BodyDigest) -> Result<Bytes, Refusal> {
    check_type(parts)?;
    timeout(PATIENCE, read_whole(parts, body, digest)).await.map_err(|_| slow())?
}

fn check_type(parts: &Parts) -> Result<(), Refusal> {
    let value = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        let text = "the content-type must be application/json, also without a body";
        Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", text))
    }
}

/// The body, however long it takes.
async fn read_whole(parts: &Parts, body: Body, digest: &BodyDigest) -> Result<Bytes, Refusal> {
    let told = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > TRANSACTION_MAX_BYTES as u64) {
        return Err(too_large());
    }
    let (mut hasher, mut whole, mut chunks) = (digest.hasher(), BytesMut::new(), body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let broken = |_| Refusal::new(StatusCode::BAD_REQUEST, "broken_body", "the body did not arrive whole");
        let chunk = chunk.map_err(broken)?;
        if whole.len() + chunk.len() > TRANSACTION_MAX_BYTES {
            return Err(too_large());
        }
        hasher.update(&chunk);
        whole.extend_from_slice(&chunk);
    }
    hasher.finish()?;
    Ok(whole.freeze())
}

fn slow() -> Refusal {
    let text = format!("the body did not come within {} s; try again in a moment", PATIENCE.as_secs());
    Refusal::busy("slow_body", text)
}

fn too_large() -> Refusal {
    let text = format!("the body is larger than {TRANSACTION_MAX_BYTES} bytes: send less at a time");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
}
