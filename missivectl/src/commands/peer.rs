//! `federation peer`: other servers, as this one knows them.

mod check;
mod show;

use homeserver::{
    app::App,
    model::{PeerRow, Unexplained},
    service::peers,
};
use missive_wire::{Base64, FederationKey, ServerName, Timestamp};
use serde::Serialize;

pub(super) use check::check;
pub(super) use show::show;

use super::confirm::confirm;
use crate::{
    failure::Failure,
    output::{Output, minute, minute_or_dash, printable, table},
};

/// A server, as every command shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Peer {
    server: ServerName,
    met_at: Timestamp,
    reached_at: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    failures: u64,
    next_try: Option<Timestamp>,
    last_error: Option<String>,
    waiting: u64,
    keys_changed: bool,
}

#[derive(Debug, Serialize)]
struct List {
    peers: Vec<Peer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    changed: bool,
    server: ServerName,
    keys: Vec<FederationKey>,
    recovery_key: Option<Base64>,
    /// The one that was known until now.
    recovery_key_before: Option<Base64>,
}

#[derive(Debug, Serialize)]
struct Forgotten {
    server: ServerName,
}

/// Lists the servers that were met.
pub(super) async fn list(app: &App, output: Output) -> Result<(), Failure> {
    let peers = peers::list(app).await?.into_iter().map(Peer::from).collect();
    output.print(&List { peers }, |list| {
        if list.peers.is_empty() {
            return "No other server was met yet.".to_owned();
        }
        let header = ["SERVER", "MET (UTC)", "REACHED", "FAILING SINCE", "NEXT TRY", "WAITING", "KEYS", "LAST ERROR"];
        table(header, list.peers.iter().map(Peer::row))
    })
}

/// Trusts what a server publishes now.
pub(super) async fn accept(app: &App, server: &ServerName, yes: bool, output: Output) -> Result<(), Failure> {
    let pins = peers::details(app, server).await?.pins;
    let before = pins.pinned.recovery_key.map(|key| Base64::from(&key[..]));
    let Some(unexplained) = pins.unexplained else {
        let nothing = Accepted {
            changed: false,
            server: server.clone(),
            keys: Vec::new(),
            recovery_key: before.clone(),
            recovery_key_before: before,
        };
        return output.print(&nothing, |_| format!("Nothing that {server} publishes is unexplained; nothing to do."));
    };
    if !yes {
        confirm(&question(server, &unexplained, before.as_ref()))?;
    }
    peers::accept(app, server, &unexplained).await?;
    let accepted = Accepted {
        changed: true,
        server: server.clone(),
        keys: unexplained.keys.keys,
        recovery_key: unexplained.keys.recovery_key,
        recovery_key_before: before,
    };
    output.print(&accepted, |accepted| {
        let keys: Vec<_> = accepted.keys.iter().map(|key| key.key_id.as_str()).collect();
        let (keys, server) = (keys.join(", "), &accepted.server);
        let recovery = show::describe_recovery(accepted.recovery_key_before.as_ref(), accepted.recovery_key.as_ref());
        format!("The keys of {server} are from now on: {keys}.\n{recovery}\nA running server obeys within a second.")
    })
}

/// Forgets a server.
pub(super) async fn forget(app: &App, server: ServerName, yes: bool, output: Output) -> Result<(), Failure> {
    peers::details(app, &server).await?;
    if !yes {
        confirm(&format!("Forget {server}? Whatever keys it shows next are trusted."))?;
    }
    peers::forget(app, &server).await?;
    output.print(&Forgotten { server }, |Forgotten { server }| {
        format!("{server} is forgotten, as if it had never been met. A running server obeys within a second.")
    })
}

fn question(server: &ServerName, unexplained: &Unexplained, recovery_before: Option<&Base64>) -> String {
    let described = show::describe_unexplained(&unexplained.changes, &unexplained.keys.keys);
    let recovery = show::describe_recovery(recovery_before, unexplained.keys.recovery_key.as_ref());
    format!(
        "{described}\n\n{recovery}\n\nTrust these keys of {server}, its recovery key with them, and none of those before? \
         What was revoked stays revoked."
    )
}

impl Peer {
    fn row(&self) -> [String; 8] {
        [
            self.server.to_string(),
            minute(self.met_at),
            minute_or_dash(self.reached_at),
            minute_or_dash(self.failing_since),
            minute_or_dash(self.next_try),
            self.waiting.to_string(),
            if self.keys_changed { "changed" } else { "ok" }.to_owned(),
            self.last_error.as_deref().map_or_else(|| "-".to_owned(), printable),
        ]
    }
}

impl From<PeerRow> for Peer {
    fn from(row: PeerRow) -> Self {
        Self {
            server: row.server,
            met_at: row.met_at,
            reached_at: row.reached_at,
            failing_since: row.failing_since,
            failures: row.failures,
            next_try: row.next_try,
            last_error: row.last_error,
            waiting: row.waiting,
            keys_changed: row.has_unexplained,
        }
    }
}
