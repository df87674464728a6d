//! `missive register` and `missive login`.

use client_core::{Account, Client, Credentials, Error, Namespace, Options, Registration};
use serde_json::json;

use crate::{
    args::{Global, Login, Register},
    failure::Failure,
    output::Output,
    place, secrets,
};

pub(crate) async fn register(global: &Global, output: &Output, args: Register) -> Result<(), Failure> {
    let options = secrets::options(global).await?;
    let password = secrets::password(&args.password, true)?;
    let registration = Registration { name: args.name, password, invite: args.invite };
    let client = Client::register(&options, &args.server, &registration).await?;
    say(output, &client, "Registered");
    Ok(())
}

pub(crate) async fn login(global: &Global, output: &Output, args: Login) -> Result<(), Failure> {
    let options = secrets::options(global).await?;
    let known = known(&options, global, args.name.as_deref()).await?;
    let server = match (args.server, &known) {
        (Some(server), _) => server,
        (None, Some(known)) => Account::open_at(&options, known.clone()).await?.server().to_owned(),
        (None, None) => return Err(Failure::Usage("say on which homeserver: --server".into())),
    };
    let name = match (args.name, known) {
        (Some(name), _) => name,
        (None, Some(known)) => known.address().name.to_string(),
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
async fn known(options: &Options, global: &Global, name: Option<&str>) -> Result<Option<Namespace>, Failure> {
    let mut known = place::known(options).await?;
    match (&global.account, name) {
        (Some(account), _) => known.retain(|one| one.address() == account),
        (None, Some(name)) => known.retain(|one| one.address().name.as_str().eq_ignore_ascii_case(name)),
        (None, None) if known.len() > 1 => return Err(Failure::Usage("say which account: --account".into())),
        (None, None) => {}
    }
    Ok(if known.len() == 1 { known.pop() } else { None })
}

fn say(output: &Output, client: &Client, what: &str) {
    let text = format!("{what} as {}", client.address());
    output.line(&text, &json!({"address": client.address(), "deviceId": client.device()}));
}
