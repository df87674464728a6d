//! A model over a storage of plain vectors.

use std::time::{Duration, Instant};

use client_core::{Contact, Conversation, StoredMessage, wire::Address};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend};
use serde_json::{Value, json};

use crate::chat::{
    exchange::{Answer, Effect},
    model::Model,
    text,
    view::{self, Theme},
};

pub(super) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// A message, with whatever else is said of it.
pub(super) fn message(direction: &str, peer: &str, number: u32, text: &str, more: &Value) -> StoredMessage {
    let mut value = json!({
        "id": uuid::Uuid::from_u128(number.into()),
        "direction": direction,
        "peer": peer,
        "senderDevice": 1,
        "sentAt": format!("2026-03-{:02}T12:{:02}:00.000Z", 1 + number / 60, number % 60),
        "body": {"text": text},
    });
    value.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    serde_json::from_value(value).unwrap()
}

/// A model, its storage and its terminal.
pub(super) struct Rig {
    pub(super) model: Model,
    pub(super) now: Instant,
    pub(super) terminal: Terminal<TestBackend>,
    /// What the storage holds.
    pub(super) stored: Vec<StoredMessage>,
    pub(super) contacts: Vec<Conversation>,
    /// What was asked for and is not answered by the storage.
    pub(super) asked: Vec<Effect>,
    pub(super) colours: bool,
}

impl Rig {
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        let now = Instant::now();
        Self {
            model: Model::new(address("alice@one.example"), (columns, rows), now),
            now,
            terminal: Terminal::new(TestBackend::new(columns, rows)).unwrap(),
            stored: Vec::new(),
            contacts: Vec::new(),
            asked: Vec::new(),
            colours: true,
        }
    }

    /// A conversation that the list has, with so many unread messages.
    pub(super) fn know(&mut self, peer: &str, unread: u64) -> &mut Conversation {
        let peer = address(peer);
        let contact = Contact { address: peer.clone(), petname: None, verified: false, blocked: false };
        self.contacts.push(Conversation { peer, contact, last: None, unread, identity_changed: false });
        self.contacts.last_mut().unwrap()
    }

    pub(super) fn incoming(&mut self, peer: &str, text: &str) {
        let number = u32::try_from(self.stored.len()).unwrap();
        self.stored.push(message("in", peer, number, text, &json!({})));
    }

    pub(super) fn outgoing(&mut self, peer: &str, text: &str, state: &str) {
        let number = u32::try_from(self.stored.len()).unwrap();
        let state = if state.is_empty() { json!({}) } else { json!({"state": state}) };
        self.stored.push(message("out", peer, number, text, &state));
    }

    /// The screen, after everything that the storage can answer.
    pub(super) fn screen(&mut self) -> String {
        loop {
            self.draw();
            self.model.seen();
            let effects = self.model.take_effects();
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                if let Some(answer) = self.answer(&effect) {
                    self.model.answer(answer, self.now);
                } else {
                    self.asked.push(effect);
                }
            }
        }
        let buffer = self.terminal.backend().buffer();
        let row = |y: u16| {
            let mut row = String::new();
            while text::width(&row) < usize::from(buffer.area.width) {
                // What is behind a wide character is not seen.
                row.push_str(buffer[(u16::try_from(text::width(&row)).unwrap(), y)].symbol());
            }
            row.trim_end().to_owned() + "\n"
        };
        (0..buffer.area.height).map(row).collect()
    }

    pub(super) fn draw(&mut self) {
        let (model, theme) = (&mut self.model, Theme { colours: self.colours });
        self.terminal
            .draw(|frame| {
                model.resize(frame.area().width, frame.area().height);
                view::draw(frame, model, theme);
            })
            .unwrap();
    }

    /// Shows the screen, and finds a text on it.
    #[track_caller]
    pub(super) fn see(&mut self, text: &str) {
        let screen = self.screen();
        assert!(screen.contains(text), "not on the screen: {text}\n{screen}");
    }

    #[track_caller]
    pub(super) fn miss(&mut self, text: &str) {
        let screen = self.screen();
        assert!(!screen.contains(text), "on the screen: {text}\n{screen}");
    }

    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        self.terminal.backend_mut().resize(columns, rows);
    }

    pub(super) fn type_in(&mut self, text: &str) {
        text.chars().for_each(|c| self.key(KeyCode::Char(c)));
    }

    pub(super) fn key(&mut self, code: KeyCode) {
        self.model.press(KeyEvent::new(code, KeyModifiers::NONE), self.now);
    }

    pub(super) fn control(&mut self, c: char) {
        self.model.press(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL), self.now);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.model.tick(self.now);
    }

    fn answer(&mut self, effect: &Effect) -> Option<Answer> {
        Some(match effect {
            Effect::List => Answer::List { conversations: self.contacts.clone(), contacts: Vec::new() },
            Effect::Page { peer, before, limit } => {
                let of = |(at, message): (usize, &StoredMessage)| (i64::try_from(at).unwrap(), message.clone());
                let mut rows: Vec<_> = self.stored.iter().enumerate().map(of).collect();
                rows.retain(|(at, message)| message.peer == *peer && before.is_none_or(|before| *at < before));
                rows.drain(..rows.len().saturating_sub(*limit as usize));
                Answer::Page { peer: peer.clone(), before: *before, limit: *limit, rows }
            }
            Effect::Contact(peer) => {
                let known = self.contacts.iter().find(|known| known.peer == *peer)?;
                Answer::Contact(known.contact.clone())
            }
            _ => return None,
        })
    }
}
