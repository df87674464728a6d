//! One `key = text` as a configuration layer: how variables and `--set` become settings.
//!
//! Lists are written `a,b`, maps `name=value,name=value`. Errors never repeat the text: it may be a secret.

use std::iter;

use serde::{
    Deserialize, Deserializer,
    de::{
        Error as _, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::settings::SettingsLayer;

/// The layer in which only `key` (dotted, and known) is set.
pub(super) fn layer(key: &str, text: &str) -> Result<SettingsLayer, Error> {
    SettingsLayer::deserialize(Assignment { path: key, text })
}

/// What is left of the key's path, and the text its end stands for.
#[derive(Clone, Copy)]
struct Assignment<'a> {
    path: &'a str,
    text: &'a str,
}

impl<'a> Assignment<'a> {
    fn value(text: &'a str) -> Self {
        Self { path: "", text: text.trim() }
    }

    fn items(self) -> impl Iterator<Item = &'a str> {
        self.text.split(',').filter(|item| !item.trim().is_empty())
    }

    fn pairs(self) -> Result<Vec<(Self, Self)>, Error> {
        self.items()
            .map(|item| {
                let (name, value) =
                    item.split_once('=').ok_or_else(|| Error::custom("write it `name=value,name=value`"))?;
                Ok((Self::value(name), Self::value(value)))
            })
            .collect()
    }
}

macro_rules! deserialize_number {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let number = self.text.trim().parse::<$type>();
            visitor.$visit(number.map_err(|_| {
                Error::custom(format_args!("write a whole number from 0 to {}", <$type>::MAX))
            })?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Assignment<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let truth = self.text.trim().parse();
        visitor.visit_bool(truth.map_err(|_| Error::custom("write `true` or `false`"))?)
    }

    deserialize_number! {
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.items().map(Self::value)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.path.is_empty() {
            return visitor.visit_map(MapDeserializer::new(self.pairs()?.into_iter()));
        }
        let (name, path) = self.path.split_once('.').unwrap_or((self.path, ""));
        let rest = Self { path, text: self.text };
        visitor.visit_map(MapDeserializer::new(iter::once((name, rest))))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.text.trim().into_deserializer())
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct newtype_struct tuple tuple_struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Assignment<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
