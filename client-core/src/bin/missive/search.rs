//! `missive search`.

use serde_json::json;

use crate::{
    args::{Global, Search},
    failure::Failure,
    output::{Output, called},
    place::Place,
};

pub(crate) async fn search(global: &Global, output: &Output, args: Search) -> Result<(), Failure> {
    let account = Place::find(global).await?.account().await?;
    let found = account.search(&args.text).await?;
    for user in &found.users {
        let contact = account.contact(&user.address).await?;
        let petname = contact.petname.as_deref();
        let value = json!({"type": "account", "address": user.address, "name": user.name, "petname": petname});
        output.line(&called(&user.address, petname), &value);
    }
    if found.more {
        output.line("There are more: type more of the name.", &json!({"type": "more"}));
    } else if found.users.is_empty() {
        output.remark(&format!("Nobody whose name begins with \"{}\" was found.", args.text), "nobody");
    }
    Ok(())
}
