//! A contact's card: the safety number, and what is noted of them.

use std::time::{Duration, Instant};

use client_core::{Contact, wire::Address};

use super::draft::Draft;
use crate::chat::{
    exchange::{Effect, Note, Safety},
    keys::Action,
};

/// A card that comes by itself takes no letters for this long: they may have been meant for a message.
const ARMS_AFTER: Duration = Duration::from_secs(1);

/// The panel about a contact.
#[derive(Debug)]
pub(in crate::chat) struct Card {
    pub(in crate::chat) peer: Address,
    pub(in crate::chat) number: Option<Result<Safety, String>>,
    /// The petname that is being written.
    pub(in crate::chat) renaming: Option<Draft>,
    /// From when on keys count.
    pub(in crate::chat) armed: Instant,
}

/// What a key did to the card.
pub(super) enum Pressed {
    Nothing,
    Close,
    Do(Effect),
    Say(&'static str),
}

impl Card {
    /// A card that was asked for.
    pub(super) fn asked(peer: Address, now: Instant) -> Self {
        Self { peer, number: None, renaming: None, armed: now }
    }

    /// A card that comes because something waits for it.
    pub(super) fn unasked(peer: Address, now: Instant) -> Self {
        Self { armed: now + ARMS_AFTER, ..Self::asked(peer, now) }
    }

    /// Whether a new identity key waits for acceptance.
    pub(in crate::chat) fn changed(&self) -> bool {
        matches!(&self.number, Some(Ok(number)) if number.changed)
    }

    /// The digits on the screen.
    fn digits(&self) -> Option<String> {
        self.number.as_ref()?.as_ref().ok().map(|number| number.groups.concat())
    }

    pub(super) fn press(&mut self, action: Action, contact: &Contact, now: Instant) -> Pressed {
        if let Some(draft) = &mut self.renaming {
            return match action {
                Action::Send => self.rename(),
                Action::Close => {
                    self.renaming = None;
                    Pressed::Nothing
                }
                Action::Type(c) => {
                    draft.type_in(c);
                    Pressed::Nothing
                }
                Action::Edit(edit) => {
                    draft.edit(edit);
                    Pressed::Nothing
                }
                _ => Pressed::Nothing,
            };
        }
        let note = |note| Pressed::Do(Effect::Note(self.peer.clone(), note));
        match action {
            Action::Close | Action::Contact => Pressed::Close,
            Action::Type(_) if now < self.armed => Pressed::Nothing,
            Action::Type('a') if self.changed() => match self.digits() {
                Some(digits) => Pressed::Do(Effect::Accept(self.peer.clone(), digits)),
                None => Pressed::Nothing,
            },
            Action::Type('v') if self.changed() => Pressed::Say("Accept the new key first, once you have compared it"),
            Action::Type('v') if contact.verified => note(Note::NotVerified),
            Action::Type('v') => match self.digits() {
                Some(digits) => note(Note::Verified(digits)),
                None => Pressed::Say("There is no safety number yet that you could have compared"),
            },
            Action::Type('b') => note(Note::Blocked(!contact.blocked)),
            Action::Type('n') => {
                let mut draft = Draft::default();
                draft.set(contact.petname.clone().unwrap_or_default());
                self.renaming = Some(draft);
                Pressed::Nothing
            }
            _ => Pressed::Nothing,
        }
    }

    fn rename(&mut self) -> Pressed {
        let name = self.renaming.take().map(|draft| draft.text().trim().to_owned());
        Pressed::Do(Effect::Note(self.peer.clone(), Note::Petname(name.filter(|name| !name.is_empty()))))
    }
}
