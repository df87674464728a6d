//! `federation`: the keys that sign what this homeserver says to others.

use std::path::Path;

use homeserver::{
    app::App,
    keys::{
        MasterKeyError,
        federation::{KeyState, RecoveryKey, RecoveryKeyError},
    },
    service::federation_keys::{self, KeySummary, Signer},
};
use missive_wire::{Base64, ServerName, Timestamp};
use serde::Serialize;

use super::confirm::confirm;
use crate::{
    failure::{Failure, Kind},
    output::{Output, minute, table},
};

/// A signing key, as every command shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    key_id: String,
    state: &'static str,
    public_key: Base64,
    created_at: Timestamp,
    valid_from: Timestamp,
    /// The end that counts: a while after it was replaced.
    valid_until: Timestamp,
    signed_by: Option<String>,
    revoked_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    server_name: ServerName,
    keys: Vec<Entry>,
    recovery_key: Option<Base64>,
}

#[derive(Debug, Serialize)]
struct Rotated {
    key: Entry,
}

#[derive(Debug, Serialize)]
struct Revoked {
    changed: bool,
    key: Entry,
    successor: Option<Entry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    server_name: ServerName,
    recovery_key: Base64,
    file: String,
}

/// Lists the signing keys, oldest first.
pub(super) fn list(app: &App, output: Output) -> Result<(), Failure> {
    let keys = federation_keys::list(app).into_iter().map(Entry::from).collect();
    let recovery_key = app.federation_keys.ring().recovery_key().map(Base64::from);
    output.print(&List { server_name: app.server_name.clone(), keys, recovery_key }, describe)
}

/// Makes the next signing key.
pub(super) async fn rotate(
    app: &App,
    valid_from: Option<Timestamp>,
    recovery_file: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    let recovery = recovery_file.map(|path| RecoveryKey::read(path, app.server_name.as_str())).transpose()?;
    let signer = recovery.as_ref().map_or(Signer::Newest, Signer::Recovery);
    let rotated = Rotated { key: federation_keys::rotate(app, signer, valid_from).await?.into() };
    output.print(&rotated, |Rotated { key }| {
        format!(
            "{} is the next signing key, valid from {} UTC; {} signed for it.\nA running server publishes it within a \
             second. The keys before it verify for seven days more.",
            key.key_id,
            minute(key.valid_from),
            key.signer()
        )
    })
}

/// Revokes a signing key; again, if it is already.
pub(super) async fn revoke(
    app: &App,
    key_id: &str,
    recovery_file: &Path,
    yes: bool,
    output: Output,
) -> Result<(), Failure> {
    let recovery = RecoveryKey::read(recovery_file, app.server_name.as_str())?;
    if !yes {
        confirm(&format!("Revoke {key_id} for good? Nothing that it signed counts any more."))?;
    }
    let federation_keys::Revoked { changed, key, successor } = federation_keys::revoke(app, key_id, &recovery).await?;
    let revoked = Revoked { changed, key: key.into(), successor: successor.map(Entry::from) };
    output.print(&revoked, |Revoked { changed, key, successor }| match (changed, successor) {
        (false, _) => format!("{} is already revoked; nothing to do.", key.key_id),
        (true, None) => format!("{} is revoked. The signing key did not rest on it, and stays.", key.key_id),
        (true, Some(next)) => format!(
            "{} is revoked. {} signs in its place; the recovery key signed for it.\nA running server obeys within a second.",
            key.key_id, next.key_id
        ),
    })
}

/// Makes the recovery key: first the file, so that no key is ever published that nobody has.
pub(super) async fn create_recovery_key(app: &App, file: &Path, output: Output) -> Result<(), Failure> {
    if app.federation_keys.ring().recovery_key().is_some() {
        return Err(federation_keys::there_is_one().into());
    }
    let recovery =
        RecoveryKey::generate(&app.clock).ok_or_else(|| Failure::new(Kind::Failed, MasterKeyError::NoRandomness))?;
    recovery.write(file, app.server_name.as_str())?;
    let recovery_key = Base64::from(&recovery.public()[..]);
    if let Err(error) = federation_keys::add_recovery_key(app, &recovery).await {
        let (file, public) = (file.display(), String::from(recovery_key));
        // It may be published all the same: a commit's answer can get lost.
        let next = format!("`missivectl federation key list` shows another recovery key than {public}, or none");
        return Err(Failure::new(Kind::Failed, format!("{error}; delete {file} only if {next}")));
    }
    let created = Created { server_name: app.server_name.clone(), recovery_key, file: file.display().to_string() };
    output.print(&created, |created| {
        format!(
            "The recovery key of {} is in {}, and nowhere else: keep it offline, in two places.\nIts public half is \
             published: {}",
            created.server_name,
            created.file,
            String::from(created.recovery_key.clone())
        )
    })
}

impl Entry {
    fn signer(&self) -> &str {
        match self.signed_by.as_deref() {
            Some("recovery") => "the recovery key",
            Some(id) => id,
            None => "nobody",
        }
    }
}

impl From<KeySummary> for Entry {
    fn from(summary: KeySummary) -> Self {
        Self {
            key_id: summary.key.key_id,
            state: match summary.state {
                KeyState::Next => "next",
                KeyState::Signing => "signing",
                KeyState::Verifying => "verifying",
                KeyState::Ended => "ended",
                KeyState::Revoked => "revoked",
                KeyState::Orphaned => "orphaned",
            },
            public_key: summary.key.public_key,
            created_at: summary.created_at,
            valid_from: summary.key.valid_from,
            valid_until: summary.key.valid_until,
            signed_by: summary.signed_by,
            revoked_at: summary.revoked_at,
        }
    }
}

impl From<RecoveryKeyError> for Failure {
    fn from(error: RecoveryKeyError) -> Self {
        let kind = match error {
            RecoveryKeyError::Exists(_) | RecoveryKeyError::Malformed(_) | RecoveryKeyError::OtherServer { .. } => {
                Kind::Usage
            }
            RecoveryKeyError::File(..) => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

fn describe(list: &List) -> String {
    let rows = list.keys.iter().map(|key| {
        [
            key.key_id.clone(),
            key.state.to_owned(),
            minute(key.created_at),
            minute(key.valid_from),
            minute(key.valid_until),
            key.signed_by.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let header = ["KEY", "STATE", "CREATED (UTC)", "VALID FROM", "VALID UNTIL", "SIGNED BY"];
    let recovery = match &list.recovery_key {
        Some(key) => format!("Recovery key: {}", String::from(key.clone())),
        None => "There is no recovery key: `missivectl federation recovery-key create` makes one.".to_owned(),
    };
    format!("{}\n\n{recovery}", table(header, rows))
}
