//! The commands, one file a noun.

mod account;
mod confirm;
mod federation;
mod health;
mod migrate;
mod peer;
mod token;

use crate::{
    cli::{
        AccountCommand, Cli, Command, FederationCommand, KeyCommand, MigrateCommand, PeerCommand, RecoveryKeyCommand,
        TokenCommand,
    },
    database,
    failure::Failure,
    output::Output,
};

/// Runs what the command line says.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let output = Output::new(cli.json);
    let flags = cli.flags;
    match cli.command {
        Command::Account { command } => on_accounts(database::configuration(flags)?, command, output).await,
        Command::Token { command: TokenCommand::Purge(purge) } => {
            let app = database::open(database::configuration(flags)?).await?;
            let result = token::purge(&app, &purge, output).await;
            database::close(&app).await;
            result
        }
        Command::Federation { command } => on_federation(database::configuration(flags)?, command, output).await,
        Command::Migrate { command: MigrateCommand::Status } => {
            migrate::status(&database::configuration(flags)?, output).await
        }
        Command::Migrate { command: MigrateCommand::Run } => {
            migrate::run(&database::configuration(flags)?, output).await
        }
        Command::Health { url: Some(url) } => health::of_url(url, output).await,
        Command::Health { url: None } => health::of_configured(database::configuration(flags)?, output).await,
    }
}

async fn on_accounts(
    config: homeserver::config::Config,
    command: AccountCommand,
    output: Output,
) -> Result<(), Failure> {
    let app = database::open(config).await?;
    let result = match command {
        AccountCommand::List { search, limit } => account::list(&app, search.as_deref(), limit, output).await,
        AccountCommand::Show { name } => account::show(&app, &name, output).await,
        AccountCommand::Revoke { name, yes } => account::revoke(&app, &name, yes, output).await,
        AccountCommand::Restore { name } => account::restore(&app, &name, output).await,
    };
    database::close(&app).await;
    result
}

async fn on_federation(
    config: homeserver::config::Config,
    command: FederationCommand,
    output: Output,
) -> Result<(), Failure> {
    let app = database::open(config).await?;
    let result = match command {
        FederationCommand::Key { command: KeyCommand::List } => federation::list(&app, output),
        FederationCommand::Key { command: KeyCommand::Rotate { valid_from, recovery_key } } => {
            federation::rotate(&app, valid_from, recovery_key.as_deref(), output).await
        }
        FederationCommand::Key { command: KeyCommand::Revoke { key_id, recovery_key, yes } } => {
            federation::revoke(&app, &key_id, &recovery_key, yes, output).await
        }
        FederationCommand::RecoveryKey { command: RecoveryKeyCommand::Create { output: file } } => {
            federation::create_recovery_key(&app, &file, output).await
        }
        FederationCommand::Peer { command: PeerCommand::List } => peer::list(&app, output).await,
        FederationCommand::Peer { command: PeerCommand::Show { server } } => peer::show(&app, &server, output).await,
        FederationCommand::Peer { command: PeerCommand::Accept { server, yes } } => {
            peer::accept(&app, &server, yes, output).await
        }
        FederationCommand::Peer { command: PeerCommand::Check { server } } => peer::check(&app, server, output).await,
        FederationCommand::Peer { command: PeerCommand::Forget { server, yes } } => {
            peer::forget(&app, server, yes, output).await
        }
    };
    database::close(&app).await;
    result
}
