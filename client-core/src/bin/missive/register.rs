//! `missive register`.

use client_core::{
    Client, Error, Registration,
    wire::{AccountName, Address},
};
use serde_json::json;

use crate::{
    args::{Global, Register},
    failure::Failure,
    output::Output,
    prompt, secrets,
};

pub(crate) async fn register(global: &Global, output: &Output, args: Register) -> Result<(), Failure> {
    let server = server(args.server)?;
    let name = match args.name {
        Some(name) => name,
        None => prompt::line("Wanted name:", "missive register NAME --server URL")?,
    };
    check(&name)?;
    let options = secrets::options_for_new(global).await?;
    let password = secrets::password(&args.password, &format!("{name} at {server}"), true)?;
    let registration = Registration { name, password, invite: args.invite };
    let client = Client::register(&options, &server, &registration).await?;
    say(output, &client, "Registered");
    Ok(())
}

/// Where: as it was said, or asked for.
pub(crate) fn server(said: Option<String>) -> Result<String, Failure> {
    said.map_or_else(|| prompt::line("Homeserver's URL (https://…):", "--server URL"), Ok)
}

/// Whose log-in there is now.
pub(crate) fn say(output: &Output, client: &Client, what: &str) {
    let text = format!("{what} as {}", client.address());
    output.line(&text, &json!({"address": client.address(), "deviceId": client.device()}));
}

/// Nobody chooses a password for a name that cannot be.
fn check(name: &str) -> Result<(), Failure> {
    let checked =
        if name.contains('@') { name.parse().map(|_: Address| ()) } else { name.parse().map(|_: AccountName| ()) };
    Ok(checked.map_err(Error::from)?)
}
