//! Which lines of a conversation are on the screen. The place is kept as a row and a line in it, counted from that row's
//! end, so that nothing that comes before or after moves it.

use std::cmp::Reverse;

use crate::chat::rows::{Key, Row, RowLine};

/// The line at the bottom of the screen, where that is not the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) struct Anchor {
    key: Key,
    /// How many lines of the row are below the screen.
    below: usize,
}

/// The rows of a conversation, in a width.
pub(in crate::chat) struct Sheet<'a> {
    pub(in crate::chat) rows: Vec<Row<'a>>,
    pub(in crate::chat) who: String,
    pub(in crate::chat) columns: usize,
}

/// What is on the screen.
#[derive(Debug, Default)]
pub(in crate::chat) struct Shown {
    pub(in crate::chat) lines: Vec<RowLine>,
    pub(in crate::chat) keys: Vec<Key>,
    /// Whether it begins with the first line that is known.
    pub(in crate::chat) at_top: bool,
}

impl Sheet<'_> {
    /// The lines that end at the anchor.
    pub(in crate::chat) fn shown(&self, anchor: Option<Anchor>, height: usize) -> Shown {
        let mut shown = Shown { at_top: true, ..Shown::default() };
        let Some((mut row, mut below)) = self.bottom(anchor) else { return shown };
        loop {
            let mut lines = self.lines(row);
            lines.truncate(lines.len().saturating_sub(below));
            let room = height - shown.lines.len();
            shown.at_top = row == 0 && lines.len() <= room;
            if room > 0 && !lines.is_empty() {
                shown.keys.push(self.rows[row].key());
            }
            shown.lines.extend(lines.into_iter().rev().take(room));
            if row == 0 || shown.lines.len() == height {
                break;
            }
            (row, below) = (row - 1, 0);
        }
        shown.lines.reverse();
        shown
    }

    /// The anchor some lines further back, as long as the screen stays full.
    pub(in crate::chat) fn back(&self, anchor: Option<Anchor>, by: usize, height: usize) -> Option<Anchor> {
        let (mut row, below) = self.bottom(anchor)?;
        let mut below = below + by;
        loop {
            let lines = self.lines(row).len();
            if below < lines {
                break;
            }
            if row == 0 {
                below = lines - 1;
                break;
            }
            (row, below) = (row - 1, below - lines);
        }
        let (first_row, first_below) = self.first(height)?;
        let (row, Reverse(below)) = (row, Reverse(below)).max((first_row, Reverse(first_below)));
        self.anchor(row, below)
    }

    /// The anchor some lines further on.
    pub(in crate::chat) fn on(&self, anchor: Option<Anchor>, by: usize) -> Option<Anchor> {
        let (mut row, mut below) = self.bottom(anchor)?;
        let mut left = by;
        while left > below {
            left -= below;
            row += 1;
            if row == self.rows.len() {
                return None;
            }
            below = self.lines(row).len();
        }
        self.anchor(row, below - left)
    }

    fn anchor(&self, row: usize, below: usize) -> Option<Anchor> {
        let newest = row + 1 == self.rows.len() && below == 0;
        (!newest).then(|| Anchor { key: self.rows[row].key(), below })
    }

    /// The row at the bottom, and how many of its lines are below the screen.
    fn bottom(&self, anchor: Option<Anchor>) -> Option<(usize, usize)> {
        let newest = self.rows.len().checked_sub(1)?;
        let Some(Anchor { key, below }) = anchor else { return Some((newest, 0)) };
        match self.rows.iter().position(|row| row.key() == key) {
            Some(row) => Some((row, below.min(self.lines(row).len() - 1))),
            None => Some((newest, 0)),
        }
    }

    /// The first anchor at which the screen is full.
    fn first(&self, height: usize) -> Option<(usize, usize)> {
        let mut above = 0;
        for row in 0..self.rows.len() {
            above += self.lines(row).len();
            if above >= height {
                return Some((row, above - height));
            }
        }
        None
    }

    fn lines(&self, row: usize) -> Vec<RowLine> {
        let day = |row: usize| self.rows[row].day();
        let new_day = row == 0 || day(row) != day(row - 1);
        self.rows[row].lines(&self.who, new_day, self.columns)
    }
}
