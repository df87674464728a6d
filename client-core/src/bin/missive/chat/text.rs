//! Texts on the screen: harmless, and measured in columns.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::output::printable;

/// More code points than this in one grapheme are no writing; they would stack up over other lines.
const CLUSTER_MAX: usize = 16;

/// A text on one line, without control characters and without piles of marks.
pub(super) fn clean(text: &str) -> String {
    let text = printable(text);
    if text.is_ascii() {
        return text;
    }
    text.graphemes(true).flat_map(|cluster| cluster.chars().take(CLUSTER_MAX)).collect()
}

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of a text that fits, with `…` where something is missing.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = take(text, columns.saturating_sub(1)).to_owned();
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// A text in lines of at most that many columns: broken at its own line breaks, then between words, and in a word only
/// where it does not fit on a line of its own.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    text.split('\n').flat_map(|line| wrap_line(&clean(line.trim_end_matches('\r')), columns)).collect()
}

fn wrap_line(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        if !line.is_empty() && width(&line) + width(word.trim_end()) > columns {
            lines.push(std::mem::take(&mut line));
        }
        let mut rest = word;
        while width(&line) + width(rest.trim_end()) > columns {
            let piece = match take(rest, columns) {
                // Not even one grapheme fits: it goes alone, and is cut off.
                "" => rest.graphemes(true).next().unwrap_or(rest),
                piece => piece,
            };
            lines.push(piece.to_owned());
            rest = &rest[piece.len()..];
        }
        line.push_str(rest);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// The graphemes that fit.
fn take(text: &str, columns: usize) -> &str {
    let mut end = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        if width(&text[..at + cluster.len()]) > columns {
            break;
        }
        end = at + cluster.len();
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_only_then_within_them() {
        assert_eq!(wrap("the owl flies", 8), ["the owl", "flies"]);
        assert_eq!(wrap("midnight-owl ok", 5), ["midni", "ght-o", "wl ok"]);
        assert_eq!(wrap("a\r\n\nb", 8), ["a", "", "b"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(wrap("  indented", 20), ["  indented"]);
    }

    #[test]
    fn wide_characters_take_two_columns_and_are_never_split() {
        assert_eq!(wrap("你好世界", 5), ["你好", "世界"]);
        assert_eq!(wrap("👨‍👩‍👧👨‍👩‍👧", 3), ["👨‍👩‍👧", "👨‍👩‍👧"]);
        assert_eq!(wrap("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
        assert_eq!(wrap("你好", 1), ["你", "好"], "what does not fit at all still goes on");
        assert_eq!((cut("你好世界", 5), cut("abc", 3), cut("abc", 0)), ("你好…".into(), "abc".into(), String::new()));
    }

    #[test]
    fn hostile_text_is_harmless() {
        assert_eq!(clean("\u{1b}[31m\u{202e}x"), "\u{fffd}[31m\u{fffd}x");
        let pile = format!("a{}", "\u{301}".repeat(1000));
        assert_eq!(clean(&pile).chars().count(), CLUSTER_MAX);
        assert!(wrap("\u{1b}]0;title\u{7}", 40)[0].chars().all(|c| !c.is_control()));
    }
}
