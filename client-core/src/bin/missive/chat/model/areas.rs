//! Where everything is on the screen, down to very small ones.

use ratatui::layout::Rect;

/// Narrower than this, the list and the conversation take turns.
const BOTH: u16 = 60;

/// The parts of the screen. What does not fit is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::chat) struct Areas {
    pub(in crate::chat) title: Rect,
    pub(in crate::chat) list: Rect,
    pub(in crate::chat) rule: Rect,
    pub(in crate::chat) header: Rect,
    pub(in crate::chat) thread: Rect,
    pub(in crate::chat) status: Rect,
    pub(in crate::chat) input: Rect,
    /// Everything between the title and the input line.
    pub(in crate::chat) body: Rect,
}

impl Areas {
    pub(super) fn of((columns, rows): (u16, u16), open: bool, status: usize) -> Self {
        let mut left = rows;
        let mut some = |wanted: u16, keep: u16| {
            let got = wanted.min(left.saturating_sub(keep));
            left -= got;
            got
        };
        // In order of their importance: each leaves room for one line of the conversation.
        let input = some(1, 0);
        // Where there is room, the first line is always there: a remark that comes and goes moves nothing.
        let lines = if rows >= 6 { status.clamp(1, 3) } else { status.min(3) };
        let status = some(u16::try_from(lines).unwrap_or(u16::MAX), 1);
        let title = some(1, 4);
        let header = if open { some(1, 3) } else { 0 };
        let middle = left;
        let list_columns = match (columns < BOTH, open) {
            (true, true) => 0,
            (true, false) => columns,
            (false, _) => (columns / 3).min(36),
        };
        let rule_columns = u16::from(columns >= BOTH);
        let x = list_columns + rule_columns;
        let bottom = title + header + middle;
        Self {
            title: Rect::new(0, 0, columns, title),
            list: Rect::new(0, title, list_columns, header + middle),
            rule: Rect::new(list_columns, title, rule_columns, header + middle),
            header: Rect::new(x, title, columns - x, header),
            thread: Rect::new(x, title + header, columns - x, middle),
            status: Rect::new(0, bottom, columns, status),
            input: Rect::new(0, bottom + status, columns, input),
            body: Rect::new(0, title, columns, header + middle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_size_makes_parts_that_overlap_or_leave_the_screen() {
        for columns in 0..130 {
            for rows in 0..20 {
                for (open, status) in [(false, 0), (true, 0), (true, 3), (false, 9)] {
                    let areas = Areas::of((columns, rows), open, status);
                    let screen = Rect::new(0, 0, columns, rows);
                    let parts =
                        [areas.title, areas.list, areas.rule, areas.header, areas.thread, areas.status, areas.input];
                    for (at, part) in parts.iter().enumerate() {
                        assert_eq!(part.intersection(screen).area(), part.area(), "{columns}×{rows}: {areas:?}");
                        let others = parts[at + 1..].iter();
                        assert!(others.clone().all(|other| part.intersection(*other).is_empty()), "{areas:?}");
                    }
                    assert_eq!(parts.iter().map(|part| part.area()).sum::<u32>(), screen.area(), "{areas:?}");
                }
            }
        }
    }

    #[test]
    fn the_smallest_screens_keep_the_input_line_and_then_the_conversation() {
        assert_eq!(Areas::of((20, 1), true, 2).input, Rect::new(0, 0, 20, 1));
        let areas = Areas::of((20, 3), true, 2);
        assert_eq!((areas.thread.height, areas.status.height, areas.title.height), (1, 1, 0));
    }
}
