//! How things look. Colours only repeat what words and signs say.

use ratatui::style::{Color, Modifier, Style};

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct Theme {
    pub(in crate::chat) colours: bool,
}

impl Theme {
    /// As the terminal and its user wish (<https://no-color.org>).
    pub(in crate::chat) fn of_environment() -> Self {
        let without = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { colours: !without && !dumb }
    }

    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn name(self) -> Style {
        self.coloured(self.strong(), Color::Cyan)
    }

    pub(super) fn warning(self) -> Style {
        self.coloured(self.strong(), Color::Yellow)
    }

    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn coloured(self, style: Style, colour: Color) -> Style {
        if self.colours { style.fg(colour) } else { style }
    }
}
