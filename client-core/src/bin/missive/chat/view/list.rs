//! The list of conversations.

use client_core::{Contact, Conversation, wire::Address};
use ratatui::{Frame, layout::Rect, text::Line, widgets::Paragraph};

use super::theme::{REVERSED, Theme};
use crate::chat::{
    model::{Model, list::label},
    text,
};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, theme: Theme) {
    let open = model.thread.as_ref().map(|thread| &thread.peer);
    let peers = model.list.peers(open);
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    if peers.is_empty() {
        let text = text::wrap("No conversation yet. Ctrl-F finds someone.", columns);
        frame.render_widget(Paragraph::new(text.into_iter().map(Line::from).collect::<Vec<_>>()), area);
        return;
    }
    let cursor = model.list.cursor.as_ref();
    let at = peers.iter().position(|peer| Some(peer) == cursor).unwrap_or(0);
    let first = (at + 1).saturating_sub(height);
    let lines = peers.iter().skip(first).take(height).map(|peer| line(peer, model, columns, theme));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

fn line(peer: &Address, model: &Model, columns: usize, theme: Theme) -> Line<'static> {
    let known = model.list.of(peer);
    let name = label(peer, known.and_then(|known| known.contact.petname.as_deref()), &model.own);
    let chosen = model.list.cursor.as_ref() == Some(peer);
    let sign = if chosen { "> " } else { "  " };
    let marks = known.map(marks_of).unwrap_or_default();
    let room = columns.saturating_sub(sign.len() + text::width(&marks));
    let name = text::cut(&name, room);
    let line = format!("{sign}{name}{marks}");
    let filled = format!("{line}{}", " ".repeat(columns.saturating_sub(text::width(&line))));
    let unread = known.is_some_and(|known| known.unread > 0);
    let style = match (chosen, unread) {
        (true, _) => REVERSED,
        (false, true) => theme.name(),
        (false, false) => ratatui::style::Style::new(),
    };
    Line::styled(filled, style)
}

fn marks_of(known: &Conversation) -> String {
    let unread = if known.unread == 0 { String::new() } else { format!(" ({})", known.unread) };
    format!("{}{unread}", marks(&known.contact, known.identity_changed))
}

/// The marks of a contact, each with a space before it.
pub(super) fn marks(contact: &Contact, changed: bool) -> String {
    let marks = [(contact.verified, " [v]"), (contact.blocked, " [x]"), (changed, " [!]")];
    marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect()
}
