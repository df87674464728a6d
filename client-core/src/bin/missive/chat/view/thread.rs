//! The conversation.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    list::marks,
    theme::{FAINT, STRONG, Theme},
};
use crate::chat::{
    model::{Model, areas::Areas, thread::Thread},
    rows::{Part, RowLine},
    text,
};

pub(super) fn draw(frame: &mut Frame<'_>, areas: &Areas, model: &Model, theme: Theme) {
    let Some(thread) = &model.thread else {
        let text = "Choose a conversation, or find someone with Ctrl-F. F1 lists the keys.";
        return hint(frame, areas.thread, text);
    };
    header(frame, areas.header, thread, model, theme);
    if thread.is_empty() && model.outbox.to(&thread.peer).is_empty() {
        let text = format!("Nothing was said yet. Only you and {} will be able to read what you write.", thread.who());
        return hint(frame, areas.thread, &text);
    }
    let lines: Vec<Line<'_>> = model.shown().lines.into_iter().map(|line| styled(line, theme)).collect();
    // A short conversation stands at the bottom, where the next message comes.
    let height = areas.thread.height.min(u16::try_from(lines.len()).unwrap_or(u16::MAX));
    let area = Rect { y: areas.thread.bottom() - height, height, ..areas.thread };
    frame.render_widget(Paragraph::new(lines), area);
}

fn header(frame: &mut Frame<'_>, area: Rect, thread: &Thread, model: &Model, theme: Theme) {
    let changed = model.list.of(&thread.peer).is_some_and(|known| known.identity_changed);
    let contact = &thread.contact;
    let words = [
        (contact.verified, " verified"),
        (contact.blocked, " blocked"),
        (changed, " new identity key: Ctrl-O"),
        (thread.anchor.is_some(), " more below: Ctrl-G"),
    ];
    let words: String = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    // The address is what counts: it gives way to nothing.
    let mut room = usize::from(area.width);
    let mut part = |text: &str| {
        let text = text::cut(text, room);
        room -= text::width(&text);
        text
    };
    let address = part(&thread.peer.to_string());
    let marks = part(&format!("{}{words}", marks(contact, changed)));
    let petname = part(&contact.petname.as_deref().map(|name| format!(" {}", text::clean(name))).unwrap_or_default());
    let parts = [(address, STRONG), (petname, theme.name()), (marks, theme.warning())];
    let spans: Vec<Span<'_>> = parts.into_iter().map(|(text, style)| Span::styled(text, style)).collect();
    frame.render_widget(Line::from(spans), area);
}

fn styled(line: RowLine, theme: Theme) -> Line<'static> {
    match line.part {
        Part::Day => Line::styled(line.text, FAINT),
        Part::Body => Line::raw(line.text),
        Part::Head(end) => {
            let (name, rest) = line.text.split_at(end);
            Line::from(vec![Span::styled(name.to_owned(), theme.name()), Span::raw(rest.to_owned())])
        }
    }
}

fn hint(frame: &mut Frame<'_>, area: Rect, text: &str) {
    let lines = text::wrap(text, area.width.into());
    frame.render_widget(Paragraph::new(lines.into_iter().map(Line::raw).collect::<Vec<_>>()).style(FAINT), area);
}
