//! Fetching a server's documents, and checking what they say.

use std::time::Duration;

use http::StatusCode;
use missive_wire::{Data, FEDERATION_VERSION, ServerDocument, ServerKeys, ServerName, Timestamp};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::{Discovered, Reason};
use crate::{
    clock::Clock,
    peers::{
        json,
        outbound::{BaseUrl, Bounds, Outbound, Route},
        signature::SKEW_SECONDS,
        trust::KeyDocument,
    },
};

const WELL_KNOWN: &str = "/.well-known/missive/server";
const KEYS: &str = "/federation/v1/keys";

/// A document comes quickly or not at all. 64 keys with 512 statements and as many revocations fit into the size.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), size: 512 * 1024 };

/// The most versions that a document may name, and their length.
const VERSIONS_MAX: usize = 32;

/// Asks a server for what it publishes of itself.
pub(super) async fn server(outbound: &Outbound, server: &ServerName, clock: &Clock) -> Result<Discovered, Reason> {
    let fixed = outbound.fixed(server);
    let by_name = || BaseUrl::of_server(server).map(|base| outbound.stranger(base));
    let route = match &fixed {
        Some(route) => route.clone(),
        None => by_name().map_err(|error| Reason::BaseUrl { url: format!("https://{server}"), error })?,
    };
    let document: ServerDocument = get(&route, WELL_KNOWN).await?;
    check_names(server, &document)?;
    let base = match &fixed {
        Some(route) => route.base().clone(),
        None => BaseUrl::https(&document.base_url)
            .map_err(|error| Reason::BaseUrl { url: document.base_url.chars().take(200).collect(), error })?,
    };
    let keys = if document.keys.keys.is_empty() {
        let route = fixed.unwrap_or_else(|| outbound.stranger(base.clone()));
        get::<Data<ServerKeys>>(&route, KEYS).await?.data
    } else {
        document.keys
    };
    let keys = KeyDocument::try_from(keys)?;
    let fetched_at = clock.now();
    check_times(&keys, fetched_at)?;
    Ok(Discovered { server: server.clone(), base, keys, fetched_at, first: OnceCell::new() })
}

async fn get<T: DeserializeOwned>(route: &Route, path: &str) -> Result<T, Reason> {
    let url = format!("{}{path}", route.base());
    let called = |error| Reason::Call { url: url.clone(), error };
    let answer = route.get(path, BOUNDS).await.map_err(called)?;
    if answer.status != StatusCode::OK {
        return Err(Reason::Status { url, status: answer.status.as_u16() });
    }
    let body = answer.read().await.map_err(called)?;
    json::read(&body).map_err(|error| Reason::Malformed { url, why: error.to_string() })
}

fn check_names(server: &ServerName, document: &ServerDocument) -> Result<(), Reason> {
    if document.server_name != *server {
        return Err(Reason::WrongServerName { named: document.server_name.clone() });
    }
    if !document.versions.iter().any(|version| version == FEDERATION_VERSION) {
        let short = |version: &String| version.chars().take(VERSIONS_MAX).collect();
        let theirs = document.versions.iter().take(VERSIONS_MAX).map(short).collect();
        return Err(Reason::Version { theirs });
    }
    Ok(())
}

/// A server without a key that is valid now can say nothing: most often a clock is wrong.
fn check_times(keys: &KeyDocument, now: Timestamp) -> Result<(), Reason> {
    let latest = Timestamp::from_millis(now.millis() + SKEW_SECONDS * 1_000);
    if keys.keys.iter().any(|key| key.valid_from <= latest && now < key.valid_until) {
        return Ok(());
    }
    let first = keys.keys.iter().map(|key| key.valid_from).filter(|from| *from > latest).min();
    let last = keys.keys.iter().map(|key| key.valid_until).max().ok_or(Reason::NoKeys)?;
    Err(match first {
        Some(valid_from) => Reason::Clock { valid_from },
        None => Reason::KeysEnded { valid_until: last },
    })
}
