//! Accounts: registration, the own account, the directory; and what an admin does with any of them.

mod admin;
mod directory;
mod password;

use std::{net::IpAddr, sync::Arc};

use hmac::{Hmac, Mac as _};
use missive_wire::{
    Account, AccountChange, AccountName, Address, Base64, Code, CreateAccount, DeleteAccount, DeviceId, Scope,
};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    access, prekeys, sessions,
    tokens::{self, Issued, NewTokens},
};
use crate::{
    app::{App, Entry, Limit},
    config::RegistrationMode,
    error::{Error, Result},
    model::{Access, AccountRow},
    store::{NewAccount, Registered},
};

pub use admin::{find, list, restore, revoke};
pub use directory::search;

/// The longest push registration.
const NOTIFICATION_ID_MAX_BYTES: usize = 2_048;

/// Registers an account with its device 1, logged in.
pub async fn register(app: &App, source: IpAddr, wanted: CreateAccount) -> Result<Issued> {
    check_mode(app)?;
    let name = own_name(app, &wanted.name)?;
    password::check(&wanted.password, &name)?;
    let device_name = sessions::device_name(wanted.device_name)?;
    if let Some(key) = &wanted.identity_key {
        prekeys::check_identity_key(&key.0)?;
    }
    wanted.registration_id.map_or(Ok(()), prekeys::check_registration_id)?;
    app.limits.check(Limit::Registration, &source)?;
    // The store decides; this only spares the hashing.
    if app.store.account_by_name(name.as_str()).await?.is_some() {
        return Err(taken(&name));
    }
    let password_hash = app.passwords.hash(Zeroizing::new(wanted.password)).await?;
    let id = app.clock.new_id();
    let tokens = NewTokens::draw(app, id, DeviceId::FIRST, Scope::ALL.to_vec())?;
    let account = NewAccount {
        id,
        name: name.as_str(),
        retired_name: &retired_name(app, &name),
        password_hash: &password_hash,
        identity_key: wanted.identity_key.as_ref().map(|key| key.0.as_slice()),
        registration_id: wanted.registration_id,
        device_name: device_name.as_deref(),
        at: app.clock.now(),
    };
    match app.store.register(&account, &tokens.session).await? {
        Registered::Yes => tokens.issue(app, name),
        Registered::NameTaken => Err(taken(&name)),
    }
}

/// The own account.
pub async fn show(app: &App, access: &Access, id: &str) -> Result<Account> {
    let own = own_by_id(app, access, id).await?;
    let row = app.store.account(own.account).await?.ok_or_else(deleted)?;
    Ok(account(app, &own, row))
}

/// Changes the password, the push registration, or both. A new password ends every other session.
pub async fn change(app: &App, access: &Access, source: IpAddr, id: &str, change: AccountChange) -> Result<Account> {
    let own = own_by_id(app, access, id).await?;
    let malformed = |text| Err(Error::new(Code::Malformed, text));
    // Before anything is changed: a request is done whole or not at all.
    if let Some(id) = &change.notification_id {
        check_notification_id(id.as_deref())?;
    }
    match (change.password, change.new_password) {
        (Some(password), Some(new)) => change_password(app, access, source, &own.name, password, new).await?,
        (None, None) if change.notification_id.is_some() => {}
        (None, None) => return malformed("nothing to change: send password and newPassword, or notificationID"),
        (Some(_), None) => return malformed("newPassword is missing: it goes with password"),
        (None, Some(_)) => return malformed("password is missing: the current one goes with newPassword"),
    }
    if let Some(notification_id) = change.notification_id {
        app.store.set_notification_id(own.account, notification_id.as_deref()).await?;
    }
    show(app, access, id).await
}

/// Deletes the own account with everything of its. Its name is never given out again.
pub async fn delete(app: &App, access: &Access, source: IpAddr, id: &str, confirmed: DeleteAccount) -> Result<()> {
    let own = own_by_id(app, access, id).await?;
    tokens::check_password(app, source, &own.name, confirmed.password).await?;
    let (address, retired) = (app.address(&own.name), retired_name(app, &own.name));
    let ended = app.store.delete_account(own.account, &address, &retired, app.clock.now()).await?;
    app.directory.forget(own.account);
    sessions::announce(app, &ended.ok_or_else(deleted)?);
    Ok(())
}

/// The caller's own account, which the path names by its id.
pub(super) async fn own_by_id(app: &App, access: &Access, id: &str) -> Result<Arc<Entry>> {
    let own = access::own(app, access).await?;
    if id.parse() == Ok(own.account) { Ok(own) } else { Err(access::not_owner()) }
}

async fn change_password(
    app: &App,
    access: &Access,
    source: IpAddr,
    name: &AccountName,
    old: String,
    new: String,
) -> Result<()> {
    password::check(&new, name)?;
    let row = tokens::check_password(app, source, name, old).await?;
    let new_hash = app.passwords.hash(Zeroizing::new(new)).await?;
    let hashes = (row.password_hash.as_str(), new_hash.as_str());
    let ended = app.store.change_password(row.id, access.session, hashes, app.clock.now()).await?;
    sessions::announce(app, &ended.ok_or_else(tokens::wrong_credentials)?);
    Ok(())
}

fn check_mode(app: &App) -> Result<()> {
    match app.config.registration.mode {
        RegistrationMode::Open => Ok(()),
        RegistrationMode::Closed => {
            Err(Error::new(Code::RegistrationClosed, "this homeserver makes no new accounts; ask its admin for one"))
        }
        RegistrationMode::Invite => Err(Error::new(
            Code::InviteRequired,
            "this homeserver makes accounts by invitation only, and invitations cannot be made yet by this version",
        )),
    }
}

/// A name, or an address of this homeserver.
fn own_name(app: &App, text: &str) -> Result<AccountName> {
    match Address::parse_on(text, &app.server_name) {
        Ok(address) if address.server == app.server_name => Ok(address.name),
        Ok(address) => {
            let text =
                format!("this homeserver is {}: an account of {} is made there", app.server_name, address.server);
            Err(Error::new(Code::Malformed, text))
        }
        Err(error) => Err(Error::new(Code::Malformed, error.to_string())),
    }
}

fn check_notification_id(id: Option<&str>) -> Result<()> {
    match id {
        Some(id) if id.is_empty() || id.len() > NOTIFICATION_ID_MAX_BYTES || id.chars().any(char::is_control) => {
            let text = format!("notificationID has 1 to {NOTIFICATION_ID_MAX_BYTES} bytes, or is null to remove it");
            Err(Error::new(Code::Malformed, text))
        }
        _ => Ok(()),
    }
}

/// What is kept of a deleted account: a hash of its name under a key that is not in the database.
fn retired_name(app: &App, name: &AccountName) -> [u8; 32] {
    let key = app.master_key.derive("retired-name");
    match Hmac::<Sha256>::new_from_slice(key.as_ref()) {
        Ok(mac) => mac.chain_update(name.as_str()).finalize().into_bytes().into(),
        Err(_) => unreachable!("HMAC takes keys of any length (RFC 2104)"),
    }
}

fn account(app: &App, own: &Entry, row: AccountRow) -> Account {
    Account {
        id: row.id,
        name: own.name.clone(),
        address: app.address(&own.name),
        created_at: row.created_at,
        identity_key: row.identity_key.map(Base64),
        notification_id: row.notification_id,
    }
}

fn taken(name: &AccountName) -> Error {
    Error::new(Code::NameTaken, format!("the name {name} is taken, or was once: choose another"))
}

fn deleted() -> Error {
    Error::new(Code::SessionEnded, "this account has been deleted")
}
