//! What lies over the conversation: help, finding someone, a contact's card.

use client_core::Contact;
use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Paragraph},
};

use super::{
    place_cursor,
    theme::{FAINT, REVERSED, STRONG},
};
use crate::chat::{
    exchange::Safety,
    keys::{MARKS, TABLE},
    model::{Model, Panel, card::Card, find::Find, list::label},
    text,
};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, panel: &Panel, model: &Model) {
    let title = match panel {
        Panel::Help(_) => " Help: Esc closes ",
        Panel::Find(_) => " Find someone: Enter opens, Esc closes ",
        Panel::Card(_) => " Contact: Esc closes ",
    };
    let inside = if area.width >= 40 && area.height >= 6 {
        let block = Block::bordered().title(text::cut(title, usize::from(area.width) - 2)).border_style(FAINT);
        let inside = block.inner(area);
        frame.render_widget(block, area);
        inside
    } else {
        area
    };
    match panel {
        Panel::Help(top) => help(frame, inside, *top),
        Panel::Find(find) => draw_find(frame, inside, find, model),
        Panel::Card(card) => draw_card(frame, inside, card, model),
    }
}

fn help(frame: &mut Frame<'_>, area: Rect, top: usize) {
    let columns = usize::from(area.width);
    let mut lines = Vec::new();
    for (table, wide) in [(TABLE.as_slice(), 24), (MARKS.as_slice(), 10)] {
        for (left, right) in table {
            if columns < 50 {
                lines.push(Line::styled((*left).to_owned(), STRONG));
                lines.extend(
                    text::wrap(right, columns.saturating_sub(2)).into_iter().map(|line| format!("  {line}").into()),
                );
            } else {
                let pad = " ".repeat(wide - text::width(left));
                let wrapped = text::wrap(right, columns - wide);
                for (at, line) in wrapped.into_iter().enumerate() {
                    let left = if at == 0 { format!("{left}{pad}") } else { " ".repeat(wide) };
                    lines.push(format!("{left}{line}").into());
                }
            }
        }
        lines.push(Line::default());
    }
    lines.pop();
    let last = lines.len().saturating_sub(area.height.into());
    let lines: Vec<Line<'_>> = lines.into_iter().skip(top.min(last)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_find(frame: &mut Frame<'_>, area: Rect, find: &Find, model: &Model) {
    const LABEL: &str = "Name: ";
    let columns = usize::from(area.width);
    let (shown, cursor) = find.draft.shown(columns.saturating_sub(LABEL.len()));
    let choices = find.choices(&model.list, &model.own);
    let remark = match &find.found {
        _ if find.draft.is_empty() => "Type the beginning of a name, or a whole name@server",
        None if find.searching() => "Searching…",
        Some(Err(error)) => error,
        Some(Ok(found)) if found.more => "There are more: write more of the name",
        _ if choices.is_empty() => "Nobody of that name",
        _ => "",
    };
    let mut lines = vec![Line::raw(text::cut(&format!("{LABEL}{shown}"), columns))];
    let room = usize::from(area.height).saturating_sub(2);
    let first = (find.selected + 1).saturating_sub(room);
    for (at, choice) in choices.iter().enumerate().skip(first).take(room) {
        let petname = choice.petname.as_deref().map(|_| label(&choice.address, choice.petname.as_deref(), &model.own));
        let petname = petname.map(|name| format!("{name}  ")).unwrap_or_default();
        let why = if choice.why.is_empty() { String::new() } else { format!("  ({})", choice.why) };
        let sign = if at == find.selected { "> " } else { "  " };
        let line = text::cut(&format!("{sign}{petname}{}{why}", choice.address), columns);
        lines.push(if at == find.selected { Line::styled(line, REVERSED) } else { Line::raw(line) });
    }
    lines.push(Line::styled(text::cut(remark, columns), FAINT));
    frame.render_widget(Paragraph::new(lines), area);
    place_cursor(frame, area, LABEL.len() + cursor);
}

fn draw_card(frame: &mut Frame<'_>, area: Rect, card: &Card, model: &Model) {
    const LABEL: &str = "Petname: ";
    let Some(thread) = &model.thread else { return };
    let columns = usize::from(area.width);
    if let Some(draft) = &card.renaming {
        let (shown, cursor) = draft.shown(columns.saturating_sub(LABEL.len()));
        let lines = vec![Line::raw(format!("{LABEL}{shown}")), Line::styled("Enter keeps it, Esc does not", FAINT)];
        frame.render_widget(Paragraph::new(lines), area);
        return place_cursor(frame, area, LABEL.len() + cursor);
    }
    let armed = model.now >= card.armed;
    let paragraphs = card_text(card, &thread.contact, armed);
    let lines = paragraphs.iter().flat_map(|(text, strong)| {
        let style = if *strong { STRONG } else { ratatui::style::Style::new() };
        text::wrap(text, columns).into_iter().map(move |line| Line::styled(line, style))
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

/// The card's paragraphs, and whether they stand out.
fn card_text(card: &Card, contact: &Contact, armed: bool) -> Vec<(String, bool)> {
    let mut text = Vec::new();
    if card.changed() {
        let new = "[!] The identity key has changed: a new device or lost keys, or someone between you. Messages to this \
                   contact wait. Ask by another way, compare the new safety number, then accept.";
        text.push((new.to_owned(), true));
    }
    text.push((contact.address.to_string(), true));
    match &card.number {
        None => text.push(("Safety number: …".into(), false)),
        Some(Err(error)) => text.push((format!("No safety number: {error}"), false)),
        Some(Ok(Safety { groups, .. })) => {
            text.push(("Safety number, the same on both sides:".into(), false));
            text.extend(groups.chunks(4).map(|line| (format!("  {}", line.join(" ")), true)));
        }
    }
    if armed {
        let key = |key: &str, what: &str| (format!("[{key}] {what}"), false);
        if card.changed() {
            text.push((format!("[a] accept the new key of {}", contact.address.name), true));
        } else {
            text.push(key(
                "v",
                if contact.verified { "verified: take the mark away" } else { "mark as verified: I compared it" },
            ));
        }
        text.push(key("b", if contact.blocked { "blocked: let messages in again" } else { "block" }));
        let petname = contact
            .petname
            .as_deref()
            .map_or_else(|| "give a petname".into(), |name| format!("petname: {}", text::clean(name)));
        text.push(key("n", &petname));
    }
    text
}
