//! Texts on the screen: harmless, and measured in columns.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

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

/// How many columns a text takes: those of its graphemes, as they are drawn.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.graphemes(true).map(UnicodeWidthStr::width).sum() }
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
    let mut lines = Lines { columns, full: Vec::new(), line: String::new(), used: 0 };
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end_matches(' ');
        let wanted = width(bare);
        if wanted <= columns {
            lines.push(bare, wanted);
        } else {
            bare.graphemes(true).for_each(|cluster| lines.push(cluster, cluster.width()));
        }
        // A space at the end of a line may stand beyond it, where nobody sees it.
        lines.line.push_str(&word[bare.len()..]);
        lines.used += word.len() - bare.len();
    }
    if !lines.line.is_empty() || lines.full.is_empty() {
        lines.full.push(lines.line);
    }
    lines.full.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// Lines that are being filled.
struct Lines {
    columns: usize,
    full: Vec<String>,
    line: String,
    used: usize,
}

impl Lines {
    /// Puts a piece behind the others, on a new line where it does not fit.
    fn push(&mut self, piece: &str, wanted: usize) {
        if self.used > 0 && self.used + wanted > self.columns {
            self.full.push(std::mem::take(&mut self.line));
            self.used = 0;
        }
        self.line.push_str(piece);
        self.used += wanted;
    }
}

/// The graphemes that fit.
pub(super) fn take(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        used += cluster.width();
        if used > columns {
            return &text[..at];
        }
    }
    text
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
    fn a_huge_text_is_wrapped_at_once() {
        let begun = std::time::Instant::now();
        for huge in
            ["x".repeat(256 * 1024), "你".repeat(64 * 1024), "a b ".repeat(64 * 1024), "e\u{301}".repeat(64 * 1024)]
        {
            assert!(wrap(&huge, 60).len() > 1000);
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn hostile_text_is_harmless() {
        assert_eq!(clean("\u{1b}[31m\u{202e}x"), "\u{fffd}[31m\u{fffd}x");
        let pile = format!("a{}", "\u{301}".repeat(1000));
        assert_eq!(clean(&pile).chars().count(), CLUSTER_MAX);
        assert!(wrap("\u{1b}]0;title\u{7}", 40)[0].chars().all(|c| !c.is_control()));
    }
}
