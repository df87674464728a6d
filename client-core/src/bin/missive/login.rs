//! `missive login` and `missive logout`.

use client_core::{Account, Client, Credentials, Error, Namespace, Options};
use serde_json::json;

use crate::{
    args::{Global, Login, Logout},
    failure::Failure,
    output::Output,
    place::{self, Place},
    prompt,
    register::{say, server},
    secrets,
};

pub(crate) async fn login(global: &Global, output: &Output, args: Login) -> Result<(), Failure> {
    let options = secrets::options_for_new(global).await?;
    let known = known(&options, global, args.name.as_deref()).await?;
    let server = match (args.server, &known) {
        (None, Some(known)) => Account::open_at(&options, known.clone()).await?.server().to_owned(),
        (said, _) => server(said)?,
    };
    let name = match (args.name, known) {
        (Some(name), _) => name,
        (None, Some(known)) => known.address().name.to_string(),
        (None, None) => prompt::line("Account's name:", "missive login NAME --server URL")?,
    };
    let password = secrets::password(&args.password, &format!("{name} at {server}"), false)?;
    let (totp, recovery_code) = (args.totp, args.recovery_code);
    let mut credentials = Credentials { name, password, totp, recovery_code };
    let client = log_in(&options, &server, &mut credentials).await?;
    match client.check_keys().await {
        Ok(()) | Err(Error::IdentityReplaced) if args.start_over => {
            client.start_over(&credentials.password, credentials.totp).await?;
        }
        result => result?,
    }
    say(output, &client, "Logged in");
    Ok(())
}

pub(crate) async fn logout(global: &Global, output: &Output, args: Logout) -> Result<(), Failure> {
    let account = Place::find(global).await?.account().await?;
    let was = account.is_logged_in().await;
    account.logout(args.everywhere).await?;
    let address = account.address();
    let what = match (was, args.everywhere) {
        (false, _) => "was logged out already",
        (true, false) => "is logged out",
        (true, true) => "is logged out, here and wherever else it was",
    };
    let text = format!("{address} {what}; its keys and messages stay here. To come back: missive login");
    output.line(&text, &json!({"address": address, "loggedIn": false, "everywhere": was && args.everywhere}));
    Ok(())
}

/// Asks for the code of a second factor where there is one and somebody can answer.
async fn log_in(options: &Options, server: &str, credentials: &mut Credentials) -> Result<Client, Failure> {
    match Client::login(options, server, credentials).await {
        Err(Error::SecondFactorNeeded) if prompt::is_possible() => {
            credentials.totp = Some(prompt::line("Code of the second factor:", "--totp")?);
            Ok(Client::login(options, server, credentials).await?)
        }
        result => Ok(result?),
    }
}

/// The account here that is meant, if there is one.
async fn known(options: &Options, global: &Global, name: Option<&str>) -> Result<Option<Namespace>, Failure> {
    let mut known = place::known(options).await?;
    match (&global.account, name) {
        (Some(account), _) => known.retain(|one| one.address() == account),
        (None, Some(name)) => known.retain(|one| one.address().name.as_str().eq_ignore_ascii_case(name)),
        (None, None) if known.len() > 1 => return Err(place::say_which(&known)),
        (None, None) => {}
    }
    Ok(if known.len() == 1 { known.pop() } else { None })
}
