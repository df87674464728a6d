//! A text that is being written.

use tui_input::{Input, InputRequest};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::chat::text;

/// More than this is no message.
const MAX_BYTES: usize = 256 * 1024;

/// A text and a cursor in it.
#[derive(Debug, Default, Clone)]
pub(in crate::chat) struct Draft(Input);

impl Draft {
    pub(in crate::chat) fn text(&self) -> &str {
        self.0.value()
    }

    pub(in crate::chat) fn is_empty(&self) -> bool {
        self.0.value().is_empty()
    }

    pub(super) fn take(&mut self) -> String {
        self.0.value_and_reset()
    }

    pub(super) fn set(&mut self, text: String) {
        self.0 = Input::new(text);
    }

    pub(super) fn edit(&mut self, request: InputRequest) {
        self.0.handle(request);
    }

    pub(super) fn type_in(&mut self, c: char) {
        if !c.is_control() && self.text().len() < MAX_BYTES {
            self.edit(InputRequest::InsertChar(c));
        }
    }

    /// Puts a text in at the cursor. Its line breaks stay, where there may be some; other control characters do not.
    pub(super) fn paste(&mut self, text: &str, lines: bool) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = if lines { &text } else { text.trim().lines().next().unwrap_or_default() };
        let allowed = |c: &char| !c.is_control() || (lines && matches!(c, '\n' | '\t'));
        let room = MAX_BYTES.saturating_sub(self.text().len());
        let mut used = 0;
        let fits = |c: &char| {
            used += c.len_utf8();
            used <= room
        };
        let pasted: String = text.chars().filter(allowed).take_while(fits).collect();
        let cursor = self.0.cursor();
        let mut whole: String = self.text().chars().take(cursor).collect();
        whole.push_str(&pasted);
        whole.extend(self.text().chars().skip(cursor));
        let cursor = cursor + pasted.chars().count();
        self.0 = std::mem::take(&mut self.0).with_value(whole).with_cursor(cursor);
    }

    /// The part of the text around the cursor that fits into that many columns, and the cursor's column in it.
    pub(in crate::chat) fn shown(&self, columns: usize) -> (String, usize) {
        let before: String = self.text().chars().take(self.0.cursor()).collect();
        let after: String = self.text().chars().skip(self.0.cursor()).collect();
        let (before, after) = (text::clean(&before), text::clean(&after));
        // The cursor needs a column too.
        let room = columns.saturating_sub(1);
        let start = start(&before, room);
        let before = &before[start..];
        let cursor = text::width(before);
        let after = text::take(&after, columns.saturating_sub(cursor));
        (format!("{before}{after}"), cursor)
    }
}

/// Where the end of a text begins that fits. It moves by halves of the room, so that the line stands still while one
/// types.
fn start(before: &str, room: usize) -> usize {
    let over = text::width(before).saturating_sub(room);
    if over == 0 {
        return 0;
    }
    let jump = (room / 2).max(1);
    let hidden = over.div_ceil(jump) * jump;
    let mut gone = 0;
    for (at, cluster) in before.grapheme_indices(true) {
        if gone >= hidden {
            return at;
        }
        gone += text::width(cluster);
    }
    before.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_lines_stay_one_text_and_bring_no_control_characters() {
        let mut draft = Draft::default();
        draft.set("ad".into());
        draft.edit(InputRequest::GoToPrevChar);
        draft.paste("b\r\n\u{1b}[31mc\rd\u{0}", true);
        assert_eq!(draft.text(), "ab\n[31mc\ndd");
        assert_eq!(draft.shown(40), ("ab⏎[31mc⏎dd".into(), 10));
        draft.set(String::new());
        draft.paste("  bob@two.example\nmore", false);
        assert_eq!(draft.text(), "bob@two.example");
        draft.paste(&"x".repeat(MAX_BYTES), true);
        assert_eq!(draft.text().len(), MAX_BYTES);
    }

    #[test]
    fn the_cursor_stands_in_the_right_column() {
        let mut draft = Draft::default();
        for c in "你好e\u{301}🎉".chars() {
            draft.type_in(c);
        }
        assert_eq!(draft.shown(40), ("你好e\u{301}🎉".into(), 7));
        draft.edit(InputRequest::GoToPrevChar);
        draft.edit(InputRequest::GoToPrevChar);
        assert_eq!(draft.shown(40).1, 4, "over a whole grapheme at once");
        draft.edit(InputRequest::DeletePrevChar);
        assert_eq!(draft.text(), "你e\u{301}🎉");
    }

    #[test]
    fn a_long_text_moves_under_the_line() {
        let mut draft = Draft::default();
        draft.set("0123456789".into());
        for columns in 0..12 {
            let (shown, cursor) = draft.shown(columns);
            assert!(text::width(&shown) <= columns && cursor <= columns, "{columns}: {shown} {cursor}");
        }
        assert_eq!(draft.shown(6), ("6789".into(), 4));
        draft.edit(InputRequest::GoToStart);
        assert_eq!(draft.shown(6), ("012345".into(), 0));
        draft.set("你好你好你好".into());
        for columns in 2..14 {
            let (shown, cursor) = draft.shown(columns);
            assert!(text::width(&shown) <= columns && cursor < columns, "{columns}: {shown} {cursor}");
        }
    }
}
