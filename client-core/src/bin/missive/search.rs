//! `missive search`.

use serde_json::json;

use crate::{
    args::{Global, Search},
    failure::Failure,
    output::{Output, called, printable},
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
        output.remark(&nobody(&args.text), "nobody");
    }
    Ok(())
}

/// Other homeservers are asked for whole addresses only, and where one does not answer, nobody is found.
fn nobody(text: &str) -> String {
    let text = printable(text.trim());
    if text.contains('@') {
        format!("Nobody with the address {text} was found: it must be whole, and its homeserver must answer.")
    } else {
        format!("Nobody whose name begins with \"{text}\" was found.")
    }
}
