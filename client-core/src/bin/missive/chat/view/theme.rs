//! How things look. Colours only repeat what words and signs say.

use ratatui::style::{Color, Modifier, Style};

pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

/// A bar, or what is chosen in a list.
pub(super) const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

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

    pub(super) fn name(self) -> Style {
        self.coloured(Color::Cyan)
    }

    pub(super) fn warning(self) -> Style {
        self.coloured(Color::Yellow)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colours { STRONG.fg(colour) } else { STRONG }
    }
}
