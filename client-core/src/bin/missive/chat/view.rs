//! The model on the screen.

mod list;
mod panel;
mod theme;
mod thread;

use ratatui::{
    Frame,
    layout::{Position, Rect},
    text::{Line, Span},
    widgets::{Clear, Paragraph},
};

pub(super) use theme::Theme;

use super::{
    model::{Link, Model},
    text,
};
use theme::{FAINT, REVERSED, STRONG};

/// Before what is being written, where there is room.
const PROMPT: &str = "> ";

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, theme: Theme) {
    let areas = model.areas();
    title(frame, areas.title, model);
    list::draw(frame, areas.list, model, theme);
    let bar = vec![Line::styled("│", FAINT); areas.rule.height.into()];
    frame.render_widget(Paragraph::new(bar), areas.rule);
    thread::draw(frame, &areas, model, theme);
    status(frame, areas.status, model, theme);
    input(frame, areas.input, model);
    if let Some(panel) = &model.panel {
        frame.render_widget(Clear, areas.body);
        panel::draw(frame, areas.body, panel, model);
    }
}

fn title(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let columns = usize::from(area.width);
    let link = match model.link {
        Link::Connecting => "connecting",
        Link::Online => "online",
        Link::Offline { .. } => "offline",
    };
    let elsewhere = model.list.elsewhere(model.thread.as_ref().map(|thread| &thread.peer));
    let unread = if elsewhere == 0 { String::new() } else { format!("{elsewhere} unread  ") };
    let right = text::cut(&format!("  {unread}{link} "), columns);
    let left = text::cut(&format!(" Missive  {}", model.own), columns - text::width(&right));
    let gap = " ".repeat(columns - text::width(&left) - text::width(&right));
    frame.render_widget(Line::styled(format!("{left}{gap}{right}"), REVERSED), area);
}

fn status(frame: &mut Frame<'_>, area: Rect, model: &Model, theme: Theme) {
    let lines = model.status_lines();
    if lines.is_empty() {
        return frame.render_widget(Line::styled("─".repeat(area.width.into()), FAINT), area);
    }
    // The most urgent are last.
    let shown = lines.len().saturating_sub(area.height.into());
    let line = |text: &String| Line::styled(text::cut(text, area.width.into()), theme.warning());
    frame.render_widget(Paragraph::new(lines[shown..].iter().map(line).collect::<Vec<_>>()), area);
}

fn input(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let columns = usize::from(area.width);
    if model.thread.is_none() {
        let hint = "Type a name to find someone. Up, Down, Enter: open. F1: help";
        frame.render_widget(Line::styled(text::cut(hint, columns), FAINT), area);
        return;
    }
    let prompt = if columns >= 10 { PROMPT } else { "" };
    let (shown, cursor) = model.draft.shown(columns - prompt.len());
    frame.render_widget(Line::from(vec![Span::styled(prompt, STRONG), Span::raw(shown)]), area);
    if model.panel.is_none() {
        place_cursor(frame, area, prompt.len() + cursor);
    }
}

fn place_cursor(frame: &mut Frame<'_>, area: Rect, column: usize) {
    let column = u16::try_from(column).unwrap_or(u16::MAX);
    if !area.is_empty() {
        frame.set_cursor_position(Position::new(area.x + column.min(area.width - 1), area.y));
    }
}
