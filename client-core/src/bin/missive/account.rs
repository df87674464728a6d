//! `missive register` and `missive login`.

use client_core::{Client, Credentials, Error, Registration, wire::Address};
use serde_json::json;

use crate::{
    args::{Global, Login, Register},
    failure::Failure,
    output::Output,
    secrets,
};

pub(crate) async fn register(global: &Global, output: &Output, args: Register) -> Result<(), Failure> {
    let options = secrets::options(global, None)?;
    let password = secrets::password(&args.password, true)?;
    let registration = Registration { name: args.name, password, invite: args.invite };
    let client = Client::register(&options, &args.server, &registration).await?;
    say(output, &client, "Registered");
    Ok(())
}

pub(crate) async fn login(global: &Global, output: &Output, args: Login) -> Result<(), Failure> {
    let known = known(global, args.name.as_deref())?;
    let options = secrets::options(global, known.as_ref())?;
    let server = match (args.server, &known) {
        (Some(server), _) => server,
        (None, Some(address)) => Client::open(&options, address).await?.server().to_owned(),
        (None, None) => return Err(Failure::Usage("say on which homeserver: --server".into())),
    };
    let name = match (args.name, known) {
        (Some(name), _) => name,
        (None, Some(address)) => address.name.to_string(),
        (None, None) => return Err(Failure::Usage("say which account: missive login <name>".into())),
    };
    let password = secrets::password(&args.password, false)?;
    let (totp, recovery_code) = (args.totp, args.recovery_code);
    let credentials = Credentials { name, password: password.clone(), totp: totp.clone(), recovery_code };
    let client = Client::login(&options, &server, &credentials).await?;
    match client.check_keys().await {
        Ok(()) | Err(Error::IdentityReplaced) if args.start_over => client.start_over(&password, totp).await?,
        result => result?,
    }
    say(output, &client, "Logged in");
    Ok(())
}

/// The account here that is meant, if there is one.
fn known(global: &Global, name: Option<&str>) -> Result<Option<Address>, Failure> {
    if let Some(account) = &global.account {
        return Ok(Some(account.clone()));
    }
    let mut known = secrets::known_accounts(global)?;
    known.retain(|address| name.is_none_or(|name| address.name.as_str().eq_ignore_ascii_case(name)));
    match (known.len(), name) {
        (1, _) => Ok(known.pop()),
        (0, _) | (_, Some(_)) => Ok(None),
        (_, None) => secrets::account(global).map(Some),
    }
}

fn say(output: &Output, client: &Client, what: &str) {
    let text = format!("{what} as {}", client.address());
    output.line(&text, &json!({"address": client.address(), "deviceId": client.device()}));
}
