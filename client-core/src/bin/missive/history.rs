//! `missive history`.

use crate::{
    args::{Global, History},
    contacts::marks,
    failure::Failure,
    output::{Output, called},
    who,
};

pub(crate) async fn history(global: &Global, output: &Output, args: History) -> Result<(), Failure> {
    let (account, with) = who::account_and(global, &args.who).await?;
    let contact = account.contact(&with).await?;
    let petname = contact.petname.as_deref();
    let who = format!("{}{}", called(&with, petname), marks(&contact, false));
    let messages =
        if args.hidden { account.hidden(&with, args.limit).await? } else { account.history(&with, args.limit).await? };
    match (messages.is_empty(), args.hidden) {
        _ if output.is_json() => {}
        (true, true) => output.remark(&format!("Nothing of {with} was put aside."), "empty"),
        (true, false) => output.remark(&format!("There are no messages with {with} yet."), "empty"),
        (false, true) => output.heading(&format!("{who}: put aside while blocked")),
        (false, false) => output.heading(&who),
    }
    for message in &messages {
        output.message(account.address(), message, petname)?;
    }
    if !args.hidden {
        account.mark_shown(&messages.iter().collect::<Vec<_>>()).await?;
    }
    Ok(())
}
