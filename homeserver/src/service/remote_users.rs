//! Finding users across homeservers: those of this one for others, and those of others for its own users.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use missive_wire::{AccountName, Address, Code, Data, RemoteUser, RemoteUsers, ServerName};
use tokio::time::timeout;
use uuid::Uuid;

use super::peers::{self, PeerRequest};
use crate::{
    app::{App, Limit},
    config::RemoteDirectory,
    error::{Error, Result},
    peers::{discovery::Asker, domain, json, outbound::Bounds},
    store::{StoreError, corrupt},
};

/// The most accounts in one answer.
const PAGE: i64 = 20;

/// How long whoever types waits for another homeserver, and how large its answer may be.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), size: 16 * 1024 };

/// The account of that name or address, for another homeserver; never a revoked one.
pub async fn show(app: &App, origin: &ServerName, name: &str) -> Result<RemoteUser> {
    app.limits.check(Limit::DomainSearch, &domain::registrable(origin))?;
    let malformed = |error| Error::new(Code::Malformed, format!("which user? {error}"));
    let address = Address::parse_on(name, &app.server_name).map_err(malformed)?;
    let is_ours = address.server == app.server_name;
    let entry = if is_ours { app.directory.by_name(&app.store, &address.name).await? } else { None };
    match entry {
        Some(entry) if !entry.revoked => Ok(RemoteUser { address }),
        _ => Err(Error::new(Code::NotFound, "there is no such account here")),
    }
}

/// The first accounts whose names begin with `prefix`, for another homeserver, where the admin lets others know.
pub async fn list(app: &App, origin: &ServerName, prefix: &str) -> Result<RemoteUsers> {
    if app.config.federation.directory != RemoteDirectory::Prefix {
        let text = "this homeserver does not list its users for others: ask for a whole name";
        return Err(Error::new(Code::DirectoryClosed, text));
    }
    app.limits.check(Limit::DomainSearch, &domain::registrable(origin))?;
    let prefix = prefix.trim().to_ascii_lowercase();
    // What cannot begin a name finds nobody, and nothing is no wish to see everyone.
    if prefix.parse::<AccountName>().is_err() {
        return Ok(RemoteUsers { users: Vec::new() });
    }
    let rows = app.store.search_accounts(&prefix, "", Uuid::nil(), PAGE).await?;
    let user = |name: &str| {
        let name: AccountName = name.parse().map_err(|_| corrupt("name"))?;
        Ok(RemoteUser { address: app.address(&name) })
    };
    Ok(RemoteUsers { users: rows.iter().map(|row| user(&row.name)).collect::<Result<_, StoreError>>()? })
}

/// Whether another homeserver has that account. Where it does not say, nobody is found: a search goes on while one types.
pub async fn exists(app: &Arc<App>, account: Uuid, address: &Address) -> Result<bool> {
    if let Some(exists) = app.remote_users.get(address) {
        return Ok(exists);
    }
    if !is_whole(app, &address.server).await? {
        return Ok(false);
    }
    match timeout(BOUNDS.time, ask(app, account, address)).await {
        Ok(Ok(exists)) => {
            app.remote_users.remember(address, exists);
            Ok(exists)
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, server = %address.server, "another homeserver could not be asked for a user");
            Ok(false)
        }
        Err(_) => {
            tracing::debug!(server = %address.server, "another homeserver took too long to find a user");
            Ok(false)
        }
    }
}

/// Whether a server's name may have been typed to its end: half of one is nobody's to ask.
async fn is_whole(app: &App, server: &ServerName) -> Result<bool, StoreError> {
    Ok(server.as_str().contains(['.', ':']) || peers::is_met(app, server).await?)
}

async fn ask(app: &Arc<App>, account: Uuid, address: &Address) -> Result<bool> {
    let path = format!("/federation/v1/users/{}", address.name);
    let request = PeerRequest { method: Method::GET, path_and_query: &path, body: Bytes::new(), bounds: BOUNDS };
    let answer = peers::call(app, &address.server, Asker::Account(account), request).await?;
    match peers::check_answer(&address.server, &answer) {
        Err(error) if error.code == Code::NotFound => return Ok(false),
        checked => checked?,
    }
    let malformed = |error| Error::new(Code::Refused, format!("{} is not understood: {error}", address.server));
    let Data { data: found } = json::read::<Data<RemoteUser>>(&answer.body).map_err(malformed)?;
    Ok(found.address == *address)
}
