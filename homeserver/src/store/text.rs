//! Statements over many rows. A text exists for a few numbers of rows only, so that each is prepared once a connection.

use std::{
    fmt::Write as _,
    iter::repeat_n,
    sync::{Arc, OnceLock},
};

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

/// The numbers of rows are the powers of two up to this one.
const MOST: usize = 128;
const SIZES: usize = MOST.ilog2() as usize + 1;

/// How many statements a connection keeps prepared: all of this module's, and the single ones.
pub(super) const STATEMENTS_KEPT: usize = 400;

/// How parameters are written. SQLite knows `$1` too, but as a name, and looks each up in a list of all of them: with
/// hundreds, that took a third of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `?`
    Sqlite,
    /// `$1`
    Postgres,
}

/// A statement with a list of rows in it. A parameter is written `?`, and they are bound in the order in which they come.
pub(super) struct Text {
    /// By dialect: what comes before the list, and after it.
    around: [(&'static str, &'static str); 2],
    columns: usize,
    texts: [[OnceLock<SqlStr>; SIZES]; 2],
}

impl Text {
    /// The list is between `before` and `after`, each row of so many columns: `(?, ?), (?, ?)`.
    pub(super) const fn new(before: &'static str, columns: usize, after: &'static str) -> Self {
        Self::of_each([(before, after); 2], columns)
    }

    /// The same where the databases differ: SQLite's first.
    pub(super) const fn of_each(around: [(&'static str, &'static str); 2], columns: usize) -> Self {
        Self { around, columns, texts: [const { [const { OnceLock::new() }; SIZES] }; 2] }
    }

    /// The statements for so many rows, where a row may come twice: the last ones fill the list up, by a third at most.
    pub(super) fn padded<'r, T>(
        &self,
        dialect: Dialect,
        mut rows: &'r [T],
    ) -> impl Iterator<Item = (SqlStr, Vec<&'r T>)> {
        std::iter::from_fn(move || {
            let last = rows.last()?;
            let up = rows.len().min(MOST).next_power_of_two();
            let size = if rows.len() * 4 < up * 3 { up / 2 } else { up };
            let (chunk, rest) = rows.split_at(size.min(rows.len()));
            rows = rest;
            Some((self.text(dialect, size), chunk.iter().chain(repeat_n(last, size - chunk.len())).collect()))
        })
    }

    /// The one statement for a list of at most [`MOST`] rows, filled up likewise; of a longer one, for its beginning.
    pub(super) fn whole<'r, T>(&self, dialect: Dialect, rows: &'r [T]) -> Option<(SqlStr, Vec<&'r T>)> {
        let last = rows.last()?;
        let size = rows.len().min(MOST).next_power_of_two();
        Some((self.text(dialect, size), rows.iter().chain(repeat_n(last, size)).take(size).collect()))
    }

    /// The statements for so many rows, where each may come once only.
    pub(super) fn exact<'r, T>(&self, dialect: Dialect, mut rows: &'r [T]) -> impl Iterator<Item = (SqlStr, &'r [T])> {
        std::iter::from_fn(move || {
            let size = 1 << rows.len().min(MOST).checked_ilog2()?;
            let (chunk, rest) = rows.split_at(size);
            rows = rest;
            Some((self.text(dialect, size), chunk))
        })
    }

    fn text(&self, dialect: Dialect, rows: usize) -> SqlStr {
        self.texts[dialect as usize][rows.ilog2() as usize].get_or_init(|| self.write(dialect, rows)).clone()
    }

    fn write(&self, dialect: Dialect, rows: usize) -> SqlStr {
        let row = format!("({})", vec!["?"; self.columns].join(", "));
        let (before, after) = self.around[dialect as usize];
        let text = [before, &vec![row.as_str(); rows].join(", "), after].concat();
        let text = match dialect {
            Dialect::Sqlite => text,
            Dialect::Postgres => numbered(&text),
        };
        // Made of constants and numbers.
        AssertSqlSafe(Arc::<str>::from(text)).into_sql_str()
    }
}

/// A statement that looks each row of the list up by a key of `$table`: the list is `wanted`, the table `found`. On
/// PostgreSQL, `OFFSET 0` keeps it from doing that the other way round, and reading the whole table: it would, if the table
/// was empty when the plan was made that it keeps.
macro_rules! lookup {
    ($before:expr, $columns:literal, $table:literal, $key:literal, $after:literal) => {
        $crate::store::text::lookup!($before, $before, $columns, $table, $key, $after, $after)
    };
    (
        $sqlite:expr,
        $postgres:expr,
        $columns:literal,
        $table:literal,
        $key:literal,
        $after_sqlite:literal,
        $after_postgres:literal
    ) => {
        $crate::store::text::Text::of_each(
            [
                (
                    concat!($sqlite, " FROM (VALUES "),
                    concat!(") AS wanted CROSS JOIN ", $table, " AS found WHERE ", $key, $after_sqlite),
                ),
                (
                    concat!($postgres, " FROM (VALUES "),
                    concat!(
                        ") AS wanted CROSS JOIN LATERAL (SELECT found.ctid, * FROM ",
                        $table,
                        " AS found WHERE ",
                        $key,
                        " OFFSET 0) AS found",
                        $after_postgres
                    ),
                ),
            ],
            $columns,
        )
    };
}

/// A [`lookup`] of many rows, for [`super::rows::rows`].
macro_rules! lookup_rows {
    ([$($found:tt)+], $columns:literal, $table:literal, $key:literal) => {
        $crate::store::text::lookup!(
            $crate::store::rows::columns!(sqlite, $($found)+),
            $crate::store::rows::columns!(postgres, $($found)+),
            $columns,
            $table,
            $key,
            "",
            ""
        )
    };
}

pub(super) use {lookup, lookup_rows};

fn numbered(text: &str) -> String {
    let mut parts = text.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (number, part) in (1..).zip(parts) {
        let _ = write!(numbered, "${number}{part}");
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_of_few_sizes_and_hold_every_row() {
        static TEXT: Text = Text::new("SELECT ", 1, "");
        for count in 0..=3 * MOST {
            let rows = (0..count).collect::<Vec<_>>();
            let mut held = Vec::<&usize>::new();
            let mut bound = 0;
            for (text, padded) in TEXT.padded(Dialect::Sqlite, &rows) {
                assert!(padded.len().is_power_of_two() && padded.len() <= MOST);
                assert_eq!(text.as_str().matches('?').count(), padded.len());
                bound += padded.len();
                held.extend(padded);
            }
            held.dedup();
            assert!(held == rows.iter().collect::<Vec<_>>() && bound * 3 <= count * 4, "{count}");
            let whole = TEXT.whole(Dialect::Sqlite, &rows).map(|(_, rows)| rows).unwrap_or_default();
            assert!(rows.iter().take(MOST).all(|row| whole.contains(&row)) && whole.len() <= MOST);
            let exact = TEXT.exact(Dialect::Postgres, &rows).flat_map(|(_, rows)| rows);
            assert!(exact.eq(&rows));
        }
    }
}
