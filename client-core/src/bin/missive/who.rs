//! Whom a command means: the one place that reads a name, an address or a petname.

use client_core::{
    Account, Contact, Error,
    wire::{AccountName, Address, InvalidName},
};

use crate::{args::Global, failure::Failure, place::Place, secrets};

/// Somebody, as they stand on the command line.
pub(crate) enum Who {
    /// `name@server` means nobody else, whatever petnames there are.
    Address(Address),
    /// A bare name means an account of the same homeserver, unless it is somebody's petname.
    Name(AccountName, String),
    /// No account can be called that.
    Petname(String),
}

impl Who {
    /// Reads it. Nonsense is found out before anything is unlocked.
    pub(crate) fn read(global: &Global, text: &str) -> Result<Self, Failure> {
        let who = Self::parse(text).map_err(Error::from)?;
        // Where there are no accounts there are no petnames.
        if matches!(who, Self::Petname(_)) && secrets::locks_of(global)?.is_empty() {
            return Err(Error::from(InvalidName::Account).into());
        }
        Ok(who)
    }

    fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.contains('@') {
            return text.parse().map(Self::Address);
        }
        match text.parse::<AccountName>() {
            Ok(name) => Ok(Self::Name(name, text.to_owned())),
            Err(_) if Contact::is_petname(text) => Ok(Self::Petname(text.to_owned())),
            Err(error) => Err(error),
        }
    }

    /// The address, for an account that is only opened where its petnames are needed.
    pub(crate) async fn at(&self, place: &Place) -> Result<Address, Failure> {
        match self {
            Self::Address(address) => Ok(address.clone()),
            _ => self.of(&place.account().await?).await,
        }
    }

    /// The address, as an account's user means it. Where two could be meant, neither is.
    pub(crate) async fn of(&self, account: &Account) -> Result<Address, Failure> {
        let (name, text) = match self {
            Self::Address(address) => return Ok(address.clone()),
            Self::Name(name, text) => (Some(name), text),
            Self::Petname(text) => (None, text),
        };
        let here = name.map(|name| Address { name: name.clone(), server: account.address().server.clone() });
        let contacts = account.contacts().await?;
        let mut meant: Vec<Address> =
            contacts.iter().filter(|contact| is_called(contact, text)).map(|contact| contact.address.clone()).collect();
        if let Some(here) = here
            && !meant.contains(&here)
            && (meant.is_empty() || is_known(account, &contacts, &here).await?)
        {
            meant.push(here);
        }
        match (meant.pop(), meant.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(last), false) => Err(ambiguous(text, meant.iter().chain([&last]))),
            (None, _) => Err(Failure::Nobody(text.clone())),
        }
    }
}

/// An account of this computer, and somebody that its user means.
pub(crate) async fn account_and(global: &Global, text: &str) -> Result<(Account, Address), Failure> {
    let who = Who::read(global, text)?;
    let account = Place::find(global).await?.account().await?;
    let address = who.of(&account).await?;
    Ok((account, address))
}

fn is_called(contact: &Contact, text: &str) -> bool {
    let same = |petname: &String| petname.to_lowercase() == text.trim().to_lowercase();
    contact.petname.as_ref().is_some_and(same)
}

/// Whether this user has to do with an account.
async fn is_known(account: &Account, contacts: &[Contact], address: &Address) -> Result<bool, Failure> {
    let noted = contacts.iter().any(|contact| contact.address == *address);
    Ok(noted || !account.history(address, 1).await?.is_empty())
}

fn ambiguous<'a>(text: &str, meant: impl Iterator<Item = &'a Address>) -> Failure {
    let meant: Vec<String> = meant.map(Address::to_string).collect();
    Failure::Ambiguous { text: text.to_owned(), meant: meant.join(" or ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_addresses_names_and_petnames_apart() {
        let parse = |text: &str| match Who::parse(text) {
            Ok(Who::Address(address)) => address.to_string(),
            Ok(Who::Name(name, text)) => format!("{name} or {text}"),
            Ok(Who::Petname(text)) => format!("only {text}"),
            Err(_) => "nonsense".to_owned(),
        };
        assert_eq!(parse("bob@two.example"), "bob@two.example");
        assert_eq!(parse("Bob"), "bob or Bob");
        assert_eq!(parse("b o b"), "only b o b");
        for nonsense in ["", " ", "b\u{7}b", "bob@", "@two.example", "b b@two.example", &"b".repeat(65)] {
            assert_eq!(parse(nonsense), "nonsense", "{nonsense:?}");
        }
    }
}
