//! Rows that come all at once. sqlx hands each row of SQLite from one thread to another, which costs more than the row
//! does: on one core, a third of a drain went into changing threads. So a statement that gives many rows gives SQLite's as
//! one, a JSON array of arrays.

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};

use super::{Result, corrupt};

/// A select list over many rows for each dialect, as [`super::text::Text::of_each`] takes them. A column is `plain`, or
/// `bytes`, which JSON knows as hexadecimal text.
macro_rules! columns {
    (sqlite, $kind:ident $column:literal $(, $more_kind:ident $more:literal)*) => {
        concat!(
            "SELECT json_group_array(json_array(",
            $crate::store::rows::column!($kind $column)
            $(, ", ", $crate::store::rows::column!($more_kind $more))*,
            "))"
        )
    };
    (postgres, $kind:ident $column:literal $(, $more_kind:ident $more:literal)*) => {
        concat!("SELECT ", $column $(, ", ", $more)*)
    };
}

/// A column of such a list on SQLite.
macro_rules! column {
    (plain $column:literal) => {
        $column
    };
    (bytes $column:literal) => {
        concat!("CASE WHEN ", $column, " IS NOT NULL THEN hex(", $column, ") END")
    };
}

/// The rows of a statement whose list [`columns`] made: `rows!(tx, text, |select| select.bind(…))`.
macro_rules! rows {
    ($tx:expr, $text:expr, |$select:ident| $bound:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(tx) => {
                let $select = sqlx::query_scalar::<_, String>($text);
                $crate::store::rows::of_json(&$bound.fetch_one(&mut **tx).await?)
            }
            $crate::store::Tx::Postgres(tx) => {
                let $select = sqlx::query_as($text);
                Ok::<_, $crate::store::StoreError>($bound.fetch_all(&mut **tx).await?)
            }
        }
    };
}

pub(super) use {column, columns, rows};

/// Bytes of a row.
#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct Blob(pub(super) Vec<u8>);

/// Reads what SQLite gave.
pub(super) fn of_json<T: DeserializeOwned>(json: &str) -> Result<Vec<T>> {
    serde_json::from_str(json).map_err(|_| corrupt("row"))
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let hex = <&str>::deserialize(deserializer)?.as_bytes();
        let mut bytes = Vec::with_capacity(hex.len() / 2);
        for pair in hex.chunks(2) {
            let byte = match pair {
                [high, low] => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low),
                _ => None,
            };
            bytes.push(byte.ok_or_else(|| D::Error::custom("not hexadecimal"))?);
        }
        Ok(Self(bytes))
    }
}

fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_kind_of_column_comes_back() {
        let json = r#"[[1,"0123456789ABCDEF0123456789ABCDEF","00FF7f",null,"a\"b"],[-2,"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF","",null,""]]"#;
        let rows: Vec<(i64, Uuid, Blob, Option<Uuid>, String)> = of_json(json).unwrap();
        assert_eq!(rows[0].1, Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        assert_eq!((rows[0].2.0.as_slice(), rows[0].4.as_str()), (&[0, 255, 127][..], "a\"b"));
        assert_eq!((rows[1].0, rows[1].2.0.len()), (-2, 0));
        assert!(of_json::<(Blob,)>(r#"[["0"]]"#).is_err() && of_json::<(Blob,)>(r#"[["zz"]]"#).is_err());
    }
}
