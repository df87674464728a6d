//! Finding someone while typing.

use std::time::{Duration, Instant};

use client_core::{Contact, wire::Address};

use super::{draft::Draft, list::List};
use crate::chat::{
    exchange::{Effect, Found},
    keys::Step,
    text,
};

/// The homeserver is asked when nothing was typed for this long.
const PAUSE: Duration = Duration::from_millis(250);

/// The panel in which someone is looked for.
#[derive(Debug, Default)]
pub(in crate::chat) struct Find {
    pub(in crate::chat) draft: Draft,
    pub(in crate::chat) selected: usize,
    /// When the homeserver is to be asked.
    pub(in crate::chat) due: Option<Instant>,
    /// What it said last.
    pub(in crate::chat) found: Option<Result<Found, String>>,
}

/// Someone to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chat) struct Choice {
    pub(in crate::chat) address: Address,
    pub(in crate::chat) petname: Option<String>,
    pub(in crate::chat) why: &'static str,
}

impl Find {
    /// The text has changed.
    pub(super) fn typed(&mut self, now: Instant) {
        self.selected = 0;
        self.found = None;
        self.due = (!self.query().is_empty()).then(|| now + PAUSE);
    }

    pub(super) fn tick(&mut self, now: Instant) -> Option<Effect> {
        self.due.take_if(|due| *due <= now).map(|_| Effect::Find(self.query()))
    }

    /// Takes an answer in, unless it is about an earlier text.
    pub(super) fn answer(&mut self, text: &str, found: Result<Found, String>) {
        if text == self.query() && self.due.is_none() {
            self.found = Some(found.map_err(|error| text::clean(&error)));
        }
    }

    /// Whether the homeserver is being asked, or about to be.
    pub(in crate::chat) fn searching(&self) -> bool {
        !self.query().is_empty() && self.found.is_none()
    }

    pub(super) fn step(&mut self, step: Step, choices: usize) {
        self.selected = match step {
            Step::Back => self.selected.saturating_sub(1),
            Step::On => (self.selected + 1).min(choices.saturating_sub(1)),
        };
    }

    /// Who can be opened: the very address, whom one knows already, and whom the homeserver knows.
    pub(in crate::chat) fn choices(&self, list: &List, own: &Address) -> Vec<Choice> {
        let query = self.query();
        if query.is_empty() {
            return Vec::new();
        }
        let mut choices: Vec<Choice> = Vec::new();
        let mut add = |address: &Address, petname: Option<&String>, why| {
            if address != own && choices.iter().all(|choice| choice.address != *address) {
                choices.push(Choice { address: address.clone(), petname: petname.cloned(), why });
            }
        };
        let known = || list.conversations.iter().map(|conversation| &conversation.contact).chain(&list.contacts);
        let petname = |address: &Address| known().find(|known| known.address == *address)?.petname.as_ref();
        if let Ok(address) = query.parse::<Address>() {
            add(&address, petname(&address), "this address");
        }
        for contact in known().filter(|contact| matches(contact, &query)) {
            add(&contact.address, contact.petname.as_ref(), "known");
        }
        for address in self.found.iter().flatten().flat_map(|found| &found.users) {
            add(address, petname(address), "");
        }
        choices
    }

    fn query(&self) -> String {
        self.draft.text().trim().to_lowercase()
    }
}

fn matches(contact: &Contact, query: &str) -> bool {
    let petname = contact.petname.as_ref().map(|petname| petname.to_lowercase());
    petname.is_some_and(|petname| petname.contains(query)) || contact.address.to_string().contains(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_homeserver_is_asked_once_typing_pauses_and_old_answers_do_not_count() {
        let (mut find, now) = (Find::default(), Instant::now());
        let own = "alice@one.example".parse().unwrap();
        for (at, c) in "bo".chars().enumerate() {
            find.draft.type_in(c);
            find.typed(now + PAUSE / 2 * u32::try_from(at).unwrap());
        }
        assert_eq!(find.tick(now + PAUSE), None, "still typing");
        assert_eq!(find.tick(now + PAUSE * 2), Some(Effect::Find("bo".into())));
        assert!(find.searching());
        find.answer("b", Err("too late".into()));
        assert_eq!(find.found, None);
        let users = vec!["bob@one.example".parse().unwrap(), "alice@one.example".parse().unwrap()];
        find.answer("bo", Ok(Found { users, more: false }));
        let choices = find.choices(&List::default(), &own);
        assert_eq!(choices.iter().map(|choice| choice.address.to_string()).collect::<Vec<_>>(), ["bob@one.example"]);
    }

    #[test]
    fn a_whole_address_can_be_opened_at_once() {
        let mut find = Find::default();
        find.draft.set("Carol@two.example".into());
        let choices = find.choices(&List::default(), &"alice@one.example".parse().unwrap());
        assert_eq!((choices.len(), choices[0].address.to_string()), (1, "carol@two.example".into()));
    }
}
