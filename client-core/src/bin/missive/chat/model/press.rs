//! What keys do.

use std::time::Instant;

use crossterm::event::KeyEvent;

use super::{
    Model, Panel,
    card::{Card, Pressed},
    find::Find,
};
use crate::chat::{
    exchange::Effect,
    keys::{self, Action, Scroll, Step},
};

impl Model {
    /// A key was pressed.
    pub(in crate::chat) fn press(&mut self, key: KeyEvent, now: Instant) {
        self.now = now;
        let Some(action) = keys::action(key) else { return };
        match action {
            Action::Quit => return self.quit(),
            Action::Redraw => return self.effects.push(Effect::Redraw),
            _ => self.leaving = false,
        }
        match self.panel.take() {
            None => self.press_thread(action),
            Some(Panel::Help(top)) => self.press_help(top, action),
            Some(Panel::Find(find)) => self.press_find(find, action),
            Some(Panel::Card(card)) => self.press_card(card, action),
        }
    }

    /// A text was pasted.
    pub(in crate::chat) fn paste(&mut self, text: &str, now: Instant) {
        self.now = now;
        match &mut self.panel {
            Some(Panel::Find(find)) => {
                find.draft.paste(text, false);
                find.typed(now);
            }
            Some(Panel::Card(Card { renaming: Some(draft), .. })) => draft.paste(text, false),
            Some(_) => {}
            None if self.thread.is_some() => self.draft.paste(text, true),
            None => {
                let mut find = Find::default();
                find.draft.paste(text, false);
                find.typed(now);
                self.panel = Some(Panel::Find(find));
            }
        }
    }

    fn press_thread(&mut self, action: Action) {
        match action {
            Action::Help => self.panel = Some(Panel::Help(0)),
            Action::Type('?') if self.draft.is_empty() => self.panel = Some(Panel::Help(0)),
            Action::Find => self.panel = Some(Panel::Find(Find::default())),
            Action::Contact => self.contact(),
            Action::Conversation(step) => {
                let open = self.thread.as_ref().map(|thread| thread.peer.clone());
                let next = self.list.step(step, open.as_ref());
                self.open_or_stay(next);
            }
            Action::NextUnread => self.open_or_stay(self.list.next_unread()),
            action if self.thread.is_none() => self.press_list(action),
            Action::Send => self.send(),
            Action::Newline => self.draft.paste("\n", true),
            Action::Type(c) => self.draft.type_in(c),
            Action::Edit(edit) => self.draft.edit(edit),
            Action::TakeBack => self.take_back(),
            Action::Scroll(scroll) => self.scroll(scroll),
            Action::Close => self.close(),
            Action::Redraw | Action::Quit => {}
        }
    }

    /// Keys while no conversation is open.
    fn press_list(&mut self, action: Action) {
        match action {
            Action::Scroll(Scroll::Line(step) | Scroll::Page(step)) => {
                self.list.cursor = self.list.step(step, None).or_else(|| self.list.cursor.take());
            }
            Action::Send => {
                let next = self.list.cursor.clone().or_else(|| self.list.step(Step::Back, None));
                self.open_or_stay(next);
            }
            Action::Type(c) => {
                let mut find = Find::default();
                find.draft.type_in(c);
                find.typed(self.now);
                self.panel = Some(Panel::Find(find));
            }
            _ => {}
        }
    }

    fn press_help(&mut self, top: usize, action: Action) {
        let top = match action {
            Action::Scroll(Scroll::Line(Step::On)) => top + 1,
            Action::Scroll(Scroll::Page(Step::On)) => top + 10,
            Action::Scroll(Scroll::Line(Step::Back)) => top.saturating_sub(1),
            Action::Scroll(Scroll::Page(Step::Back)) => top.saturating_sub(10),
            Action::Close | Action::Help | Action::Send | Action::Type('?' | 'q') => return,
            _ => top,
        };
        let last = keys::TABLE.len() + keys::MARKS.len();
        self.panel = Some(Panel::Help(top.min(last)));
    }

    fn press_find(&mut self, mut find: Find, action: Action) {
        let choices = find.choices(&self.list, &self.own);
        match action {
            Action::Close | Action::Find => return,
            Action::Send => match choices.get(find.selected) {
                Some(choice) => return self.open(&choice.address),
                None => self.say("Nobody to open: write more of the name, or name@server"),
            },
            Action::Scroll(Scroll::Line(step) | Scroll::Page(step)) | Action::Conversation(step) => {
                find.step(step, choices.len());
            }
            Action::Type(c) => {
                find.draft.type_in(c);
                find.typed(self.now);
            }
            Action::Edit(edit) => {
                let before = find.draft.text().to_owned();
                find.draft.edit(edit);
                if find.draft.text() != before {
                    find.typed(self.now);
                }
            }
            _ => {}
        }
        self.panel = Some(Panel::Find(find));
    }

    fn press_card(&mut self, mut card: Card, action: Action) {
        let Some(thread) = &self.thread else { return };
        match card.press(action, &thread.contact, self.now) {
            Pressed::Close => return,
            Pressed::Nothing => {}
            Pressed::Do(effect) => self.effects.push(effect),
            Pressed::Say(text) => self.say(text),
        }
        self.panel = Some(Panel::Card(card));
    }

    fn open_or_stay(&mut self, peer: Option<client_core::wire::Address>) {
        if let Some(peer) = peer {
            self.open(&peer);
        }
    }

    /// Shows the card of whom one writes to.
    fn contact(&mut self) {
        if let Some(thread) = &self.thread {
            let peer = thread.peer.clone();
            self.effects.push(Effect::Safety(peer.clone()));
            self.panel = Some(Panel::Card(Card::asked(peer, self.now)));
        }
    }

    fn send(&mut self) {
        let Some(thread) = &mut self.thread else { return };
        if self.draft.text().trim().is_empty() {
            return;
        }
        thread.anchor = None;
        self.outbox.push(&thread.peer, self.draft.take());
    }

    fn take_back(&mut self) {
        let Some(thread) = &self.thread else { return };
        if !self.draft.is_empty() {
            return self.say("Send or delete what you are writing first");
        }
        match self.outbox.take_back(&thread.peer) {
            Some(text) => self.draft.set(text),
            None => self.say("Everything here has been sent"),
        }
    }

    fn scroll(&mut self, scroll: Scroll) {
        let area = self.areas().thread;
        let Some(thread) = &mut self.thread else { return };
        let (height, columns) = (usize::from(area.height), usize::from(area.width));
        let page = height.saturating_sub(1).max(1);
        let sheet = thread.sheet(self.outbox.to(&thread.peer), columns);
        thread.anchor = match scroll {
            Scroll::Line(Step::Back) => sheet.back(thread.anchor, 1, height),
            Scroll::Page(Step::Back) => sheet.back(thread.anchor, page, height),
            Scroll::Line(Step::On) => sheet.on(thread.anchor, 1),
            Scroll::Page(Step::On) => sheet.on(thread.anchor, page),
            Scroll::End => None,
        };
    }

    /// Leaves; where something would be lost, only when asked twice.
    fn quit(&mut self) {
        let unsent = self.outbox.len();
        if unsent == 0 || self.leaving {
            self.left = true;
        } else {
            self.leaving = true;
            self.say(format!("{unsent} not sent yet, and lost if you leave: press Ctrl-C again to leave"));
        }
    }
}
