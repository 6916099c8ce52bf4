//! An environment variable as it is written: text, or a table that names a secret.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// What a variable holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    Text(String),
    Secret(FromSecret),
}

/// A variable whose value is a secret of the node, never written down in an application.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "component.NAME.env.VARIABLE"))]
pub struct FromSecret {
    /// The secret's name at the node.
    #[schemars(extend("examples" = ["db-password"]))]
    pub secret: String,
}

impl<'de> Deserialize<'de> for Variable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Variable;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a table with `secret`")
            }
            fn visit_str<E>(self, text: &str) -> Result<Variable, E> {
                Ok(Variable::Text(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Variable, A::Error> {
                FromSecret::deserialize(MapAccessDeserializer::new(map)).map(Variable::Secret)
            }
        }
        from.deserialize_any(Either)
    }
}

/// Alternatives of different types: which one is meant is seen by the type of what was written.
impl JsonSchema for Variable {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Variable".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "string" }, generator.subschema_for::<FromSecret>()] })
    }
}
