//! `missive history`.

use client_core::{Error, wire::Address};

use crate::{
    args::{Global, History},
    failure::Failure,
    output::Output,
    place::Place,
};

pub(crate) async fn history(global: &Global, output: &Output, args: History) -> Result<(), Failure> {
    let account = Place::find(global).await?.account().await?;
    let with = Address::parse_on(&args.address, &account.address().server).map_err(Error::from)?;
    let output = output.of(account.address());
    let messages = account.history(&with, args.limit).await?;
    for message in &messages {
        output.message(message);
    }
    account.mark_shown(&messages.iter().collect::<Vec<_>>()).await?;
    Ok(())
}
