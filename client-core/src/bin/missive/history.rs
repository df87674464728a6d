//! `missive history`.

use client_core::{Error, read_history, wire::Address};

use crate::{
    args::{Global, History},
    failure::Failure,
    output::Output,
    secrets,
};

pub(crate) async fn history(global: &Global, output: &Output, args: History) -> Result<(), Failure> {
    let account = secrets::account(global)?;
    let options = secrets::options(global, Some(&account))?;
    let with = Address::parse_on(&args.address, &account.server).map_err(Error::from)?;
    let output = output.of(&account);
    for message in read_history(&options, &account, &with, args.limit).await? {
        output.message(&message);
    }
    Ok(())
}
