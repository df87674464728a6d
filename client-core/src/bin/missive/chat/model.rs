//! The state of the screen, and how keys, events and answers change it. It does no input or output: what is to be done
//! comes out as [`Effect`]s.

pub(super) mod areas;
pub(super) mod card;
pub(super) mod draft;
pub(super) mod find;
pub(super) mod list;
pub(super) mod outbox;
mod press;
pub(super) mod scroll;
mod take;
#[cfg(test)]
mod tests;
pub(super) mod thread;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use client_core::wire::Address;

use super::exchange::Effect;
use areas::Areas;
use card::Card;
use draft::Draft;
use find::Find;
use list::List;
use outbox::Outbox;
use scroll::Shown;
use thread::Thread;

/// A remark stays this long.
const NOTICE: Duration = Duration::from_secs(8);

/// Everything on the screen.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) own: Address,
    pub(super) size: (u16, u16),
    pub(super) link: Link,
    pub(super) list: List,
    pub(super) thread: Option<Thread>,
    pub(super) outbox: Outbox,
    pub(super) draft: Draft,
    pub(super) panel: Option<Panel>,
    pub(super) now: Instant,
    /// The user wants to leave.
    pub(super) left: bool,
    notice: Option<(String, Instant)>,
    /// The drafts of other conversations.
    drafts: HashMap<Address, Draft>,
    /// Leaving was asked for once, and something would be lost.
    leaving: bool,
    effects: Vec<Effect>,
}

/// The connection to the homeserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    Connecting,
    Online,
    Offline { error: String, until: Instant },
}

/// What lies over the conversation.
#[derive(Debug)]
pub(super) enum Panel {
    /// The keys, from that line on.
    Help(usize),
    Find(Find),
    Card(Card),
}

impl Model {
    pub(super) fn new(own: Address, size: (u16, u16), now: Instant) -> Self {
        Self {
            own,
            size,
            link: Link::Connecting,
            list: List::default(),
            thread: None,
            outbox: Outbox::default(),
            draft: Draft::default(),
            panel: None,
            now,
            left: false,
            notice: None,
            drafts: HashMap::new(),
            leaving: false,
            effects: Vec::new(),
        }
    }

    /// Opens a conversation.
    pub(super) fn open(&mut self, peer: &Address) {
        self.panel = None;
        if self.thread.as_ref().is_some_and(|thread| thread.peer == *peer) {
            return;
        }
        self.close();
        self.draft = self.drafts.remove(peer).unwrap_or_default();
        self.thread = Some(Thread::new(peer.clone()));
        self.list.cursor = Some(peer.clone());
        self.effects.push(Effect::Contact(peer.clone()));
    }

    /// Goes back to the list.
    fn close(&mut self) {
        let draft = std::mem::take(&mut self.draft);
        if let Some(thread) = self.thread.take().filter(|_| !draft.is_empty()) {
            self.drafts.insert(thread.peer, draft);
        }
    }

    /// What would be lost now: what is not sent, and what is being written.
    pub(super) fn unsent(&self) -> Vec<(&Address, &str)> {
        let open = self.thread.as_ref().map(|thread| (&thread.peer, &self.draft));
        let drafts = self.drafts.iter().chain(open).map(|(peer, draft)| (peer, draft.text()));
        self.outbox.all().chain(drafts.filter(|(_, text)| !text.is_empty())).collect()
    }

    /// What is to be done now.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.extend(self.list.want(self.now));
        self.effects.extend(self.outbox.ready());
        let more = self.nears_top();
        self.effects.extend(self.thread.as_mut().and_then(|thread| thread.want(more)));
        std::mem::take(&mut self.effects)
    }

    /// The screen shows what the model has: messages there have been seen.
    pub(super) fn seen(&mut self) {
        if self.panel.is_some() {
            return;
        }
        let keys = self.shown().keys;
        if let Some(thread) = &mut self.thread {
            let unread = self.list.unread(&thread.peer);
            let messages = thread.see(&keys, unread);
            if !messages.is_empty() {
                self.list.seen(&thread.peer, messages.len() as u64);
                self.effects.push(Effect::Read(messages));
            }
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) {
        self.now = now;
        self.notice.take_if(|(_, until)| *until <= now);
        self.outbox.tick(now);
        if let Some(Panel::Find(find)) = &mut self.panel {
            self.effects.extend(find.tick(now));
        }
    }

    /// When [`Model::tick`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let panel = match &self.panel {
            Some(Panel::Find(find)) => find.due,
            Some(Panel::Card(card)) => Some(card.armed),
            _ => None,
        };
        let countdown = match &self.link {
            Link::Offline { until, .. } => Some((self.now + Duration::from_secs(1)).min(*until)),
            _ => None,
        };
        let notice = self.notice.as_ref().map(|(_, until)| *until);
        [panel, countdown, notice, self.outbox.deadline(), self.list.deadline()]
            .into_iter()
            .flatten()
            .filter(|at| *at > self.now)
            .min()
    }

    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
    }

    /// A remark that goes away by itself.
    pub(super) fn notice(&self) -> Option<&str> {
        self.notice.as_ref().map(|(text, _)| text.as_str())
    }

    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.notice = Some((text.into(), self.now + NOTICE));
    }

    /// The lines of the conversation on the screen.
    pub(super) fn shown(&self) -> Shown {
        let area = self.areas().thread;
        let Some(thread) = &self.thread else { return Shown::default() };
        let sheet = thread.sheet(self.outbox.to(&thread.peer), area.width.into());
        sheet.shown(thread.anchor, area.height.into())
    }

    /// Where everything is.
    pub(super) fn areas(&self) -> Areas {
        Areas::of(self.size, self.thread.is_some(), self.status_lines().len())
    }

    /// Whether another page towards the past would meet the first row that is known.
    fn nears_top(&self) -> bool {
        let area = self.areas().thread;
        let Some(thread) = &self.thread else { return false };
        let height = usize::from(area.height);
        let sheet = thread.sheet(self.outbox.to(&thread.peer), area.width.into());
        let further = sheet.back(thread.anchor, height, height);
        sheet.shown(further, height).at_top
    }

    /// What stands above the input line, the most urgent last.
    pub(super) fn status_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(thread) = &self.thread {
            let (held, own, other) = (thread.held(&self.own), &self.own.server, &thread.peer.server);
            match held {
                0 => {}
                1 => lines.push(format!("A message is held by {own} or {other} until it is fetched")),
                held => lines.push(format!("{held} messages are held by {own} or {other} until they are fetched")),
            }
        }
        if let Link::Offline { error, until } = &self.link {
            let left = until.saturating_duration_since(self.now).as_millis().div_ceil(1000);
            let next = if left == 0 { "trying now".into() } else { format!("next attempt in {left} s") };
            lines.push(format!("Offline, {next}: {error}"));
        }
        lines.extend(self.notice().map(str::to_owned));
        lines
    }
}
