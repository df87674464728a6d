//! Every request gets an id: in the answer's `x-request-id`, and in every line that is logged for it.

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tracing::Instrument as _;
use uuid::Uuid;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The route of other homeservers' messages.
const TRANSACTIONS: &str = "/federation/v1/transactions/{id}";

/// Assigns the id, logs the request without anything personal (the route's pattern, not its path), and counts it.
pub async fn assign(request: Request, next: Next) -> Response {
    let id = Uuid::new_v4();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let method = label(request.method());
    let span = tracing::info_span!("request", %id, method, route);
    let started = tokio::time::Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    let millis = elapsed.as_millis();
    // A busy homeserver sends hundreds in a second.
    if route == TRANSACTIONS && response.status().is_success() {
        span.in_scope(|| tracing::debug!(status, millis, "answered"));
    } else {
        span.in_scope(|| tracing::info!(status, millis, "answered"));
    }
    let labels = [("route", route), ("method", method.to_owned()), ("status", status.to_string())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_seconds", &labels[..1]).record(elapsed.as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// A method as it may be counted: a stranger can make up others without end, and each would be a time series of its own.
fn label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_are_made_up_are_counted_as_one() {
        assert_eq!(label(&Method::PATCH), "PATCH");
        for made_up in ["get", "BREW", "GET1"] {
            assert_eq!(label(&Method::from_bytes(made_up.as_bytes()).unwrap()), "other");
        }
    }
}
